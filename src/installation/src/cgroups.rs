//! Finds a process's own cgroup in what the kernel says of mounts and cgroups. It reads no file and makes no
//! cgroup: its input is text, its output a path.

use std::path::{Path, PathBuf};

/// The controllers that every subject is limited by.
pub const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// A tree of cgroups. cgroups(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hierarchy<'c> {
    /// cgroup v2.
    Unified,
    /// That of cgroup v1 with this controller.
    Of(&'c str),
}

/// A process's own directory in a hierarchy, from the texts of its `/proc/PID/mountinfo` and `/proc/PID/cgroup`.
/// proc_pid_mountinfo(5), proc_pid_cgroup(5). A mount point with an escaped character is not one of a cgroup
/// hierarchy: it is taken as it stands, and does not exist.
#[must_use]
pub fn directory(mounts: &str, own: &str, hierarchy: Hierarchy<'_>) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| mount_point(line, hierarchy))?;
    let path = own.lines().find_map(|line| own_path(line, hierarchy))?;
    let relative = path.trim_start_matches('/');
    Some(if relative.is_empty() { PathBuf::from(mount) } else { Path::new(mount).join(relative) })
}

/// Whether the text of a `cgroup.controllers` or `cgroup.subtree_control` names all of [`CONTROLLERS`].
#[must_use]
pub fn names_all_controllers(listed: &str) -> bool {
    CONTROLLERS.iter().all(|wanted| listed.split_whitespace().any(|name| name == *wanted))
}

/// The mount point of a line of mountinfo, if it mounts the hierarchy.
fn mount_point<'l>(line: &'l str, hierarchy: Hierarchy<'_>) -> Option<&'l str> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = file_system.split(' ');
    let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
    let found = match hierarchy {
        Hierarchy::Unified => kind == "cgroup2",
        Hierarchy::Of(wanted) => kind == "cgroup" && options.split(',').any(|option| option == wanted),
    };
    found.then(|| mount.split(' ').nth(4)).flatten()
}

/// The path of a line `ID:CONTROLLERS:PATH`, if it is of the hierarchy; that of cgroup v2 names no controllers.
fn own_path<'l>(line: &'l str, hierarchy: Hierarchy<'_>) -> Option<&'l str> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let found = match hierarchy {
        Hierarchy::Unified => controllers.is_empty(),
        Hierarchy::Of(wanted) => controllers.split(',').any(|name| name == wanted),
    };
    found.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 29 0:25 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 29 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 29 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn a_v1_hierarchy_is_found_by_the_controller_among_its_options() {
        let own = "5:cpu,cpuacct:/user.slice\n4:memory:/\n0::/";
        let found = |controller| directory(MOUNTS, own, Hierarchy::Of(controller));
        assert_eq!(found("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/user.slice".into()));
        let memory = found("memory").expect("mounted");
        assert_eq!(memory.as_os_str(), "/sys/fs/cgroup/memory", "no slash at the end");
    }

    #[test]
    fn the_unified_hierarchy_is_found_by_its_file_system_type() {
        let own = "5:cpu,cpuacct:/elsewhere\n0::/user.slice/user-1000.slice";
        let expected = Some("/sys/fs/cgroup/unified/user.slice/user-1000.slice".into());
        assert_eq!(directory(MOUNTS, own, Hierarchy::Unified), expected);
    }

    #[test]
    fn a_hierarchy_that_is_not_mounted_or_has_no_cgroup_of_this_process_is_not_found() {
        let own = "5:cpu,cpuacct:/user.slice\n3:pids:/";
        assert_eq!(directory(MOUNTS, own, Hierarchy::Of("pids")), None);
        assert_eq!(directory(MOUNTS, own, Hierarchy::Of("memory")), None);
        assert_eq!(directory(MOUNTS, own, Hierarchy::Unified), None);
        assert_eq!(directory("", "", Hierarchy::Unified), None);
    }

    #[test]
    fn controllers_are_compared_by_their_whole_names() {
        assert!(names_all_controllers("cpuset cpu io memory pids\n"));
        assert!(!names_all_controllers("cpuset io memory pids\n"));
        assert!(!names_all_controllers(""));
    }
}
