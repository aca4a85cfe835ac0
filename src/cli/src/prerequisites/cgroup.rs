//! Finds out whether the launcher, run the same way, could make cgroups with limits. It makes none itself.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_config::CgroupRoot;
use nix::unistd::{AccessFlags, access};

/// The controllers that limit a module.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// Where cgroups would be made, in words; or why none can be.
pub(crate) fn find(root: &CgroupRoot) -> Result<String, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
    let unified = match root {
        CgroupRoot::Auto => directory(&mounts, &own, Hierarchy::Unified),
        CgroupRoot::Path(path) if has_controllers(path) => Some(path.clone()),
        CgroupRoot::Path(path) => {
            return Err(format!("{} is not a cgroup v2 directory with memory, cpu and pids", path.display()));
        }
    };
    if let Some(path) = unified.filter(|path| has_controllers(path)) {
        writable(&path)?;
        writable(&path.join("cgroup.subtree_control"))?;
        return Ok(format!("cgroup v2 below {}", path.display()));
    }
    for controller in CONTROLLERS {
        let path = directory(&mounts, &own, Hierarchy::Of(controller))
            .ok_or_else(|| format!("no cgroup hierarchy has the {controller} controller for this process"))?;
        writable(&path)?;
    }
    Ok("cgroup v1: the memory, cpu and pids hierarchies".to_owned())
}

fn writable(path: &Path) -> Result<(), String> {
    access(path, AccessFlags::W_OK).map_err(|errno| format!("write to {}: {errno}", path.display()))
}

fn has_controllers(directory: &Path) -> bool {
    let listed = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    CONTROLLERS.iter().all(|wanted| listed.split_whitespace().any(|name| name == *wanted))
}

/// A tree of cgroups.
#[derive(Clone, Copy)]
enum Hierarchy<'c> {
    /// cgroup v2.
    Unified,
    /// That of cgroup v1 with this controller.
    Of(&'c str),
}

/// This process's own directory in a hierarchy. proc_pid_mountinfo(5), proc_pid_cgroup(5).
fn directory(mounts: &str, own: &str, hierarchy: Hierarchy<'_>) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = file_system.split(' ');
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        let found = match hierarchy {
            Hierarchy::Unified => kind == "cgroup2",
            Hierarchy::Of(wanted) => kind == "cgroup" && options.split(',').any(|option| option == wanted),
        };
        found.then(|| mount.split(' ').nth(4)).flatten()
    })?;
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let found = match hierarchy {
            Hierarchy::Unified => controllers.is_empty(),
            Hierarchy::Of(wanted) => controllers.split(',').any(|name| name == wanted),
        };
        found.then_some(path)
    })?;
    Some(Path::new(mount).join(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 29 0:25 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 29 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 29 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
    const OWN: &str = "5:cpu,cpuacct:/user.slice\n0::/user.slice/user-1000.slice";

    #[test]
    fn each_hierarchy_is_found_by_what_the_kernel_says_of_it() {
        let unified = directory(MOUNTS, OWN, Hierarchy::Unified);
        assert_eq!(unified, Some("/sys/fs/cgroup/unified/user.slice/user-1000.slice".into()));
        let processor = directory(MOUNTS, OWN, Hierarchy::Of("cpu"));
        assert_eq!(processor, Some("/sys/fs/cgroup/cpu,cpuacct/user.slice".into()));
    }

    #[test]
    fn a_hierarchy_that_is_not_mounted_or_has_no_cgroup_of_this_process_is_not_found() {
        assert_eq!(directory(MOUNTS, OWN, Hierarchy::Of("pids")), None);
        assert_eq!(directory(MOUNTS, OWN, Hierarchy::Of("memory")), None);
        assert_eq!(directory("", "", Hierarchy::Unified), None);
    }
}
