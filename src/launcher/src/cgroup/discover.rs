//! Finds where this launcher may make cgroups: cgroup v2 with its controllers, or the v1 hierarchies.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_config::CgroupRoot;

use super::files;
use crate::error::{Error, file};

/// The controllers every subject is limited by.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

const REMEDY: &str = "run as root, or give this user a subtree of its own: \
     `systemd-run --user --scope -p Delegate=yes cofferdam run ...`; \
     or name \"cgroup\" in sandbox.allow_missing";

/// Where subjects' cgroups are made: this launcher's own directory in each hierarchy.
#[derive(Debug)]
pub enum CgroupHost {
    /// Directories in the memory, cpu and pids hierarchies, in this order.
    V1([PathBuf; 3]),
    /// One directory, with the three controllers enabled below it.
    V2(PathBuf),
}

impl CgroupHost {
    /// Finds the hierarchies (or takes the v2 directory the operator names), removes what an earlier launcher of the same `instance` left behind, and makes
    /// this launcher's own directory. Only one launcher of an instance may run: the caller holds its lock.
    ///
    /// # Errors
    /// [`Error::LayerMissing`] when there is no hierarchy in which this user may set the limits.
    pub fn settle(instance: &str, root: &CgroupRoot) -> Result<Self, Error> {
        let mounts = read("/proc/self/mountinfo")?;
        let own = read("/proc/self/cgroup")?;
        let name = format!("cofferdam-{instance}");
        let v2 = match root {
            CgroupRoot::Auto => unified(&mounts, &own),
            CgroupRoot::Path(path) if has_controllers(path) => Some(path.clone()),
            CgroupRoot::Path(path) => {
                let why = format!("{} is not a cgroup v2 directory with memory, cpu and pids", path.display());
                return Err(missing(&why));
            }
        };
        let found = match v2 {
            Some(base) if has_controllers(&base) => Self::V2(base.join(name)),
            _ => match CONTROLLERS.map(|controller| hierarchy(&mounts, &own, controller)) {
                [Some(memory), Some(cpu), Some(pids)] => {
                    Self::V1([memory, cpu, pids].map(|base| base.join(&name)))
                }
                _ => return Err(missing("no hierarchy has the memory, cpu and pids controllers")),
            },
        };
        files::remove_leftovers(&found.directories())?;
        found.make().map_err(|error| missing(&error.to_string()))?;
        Ok(found)
    }

    /// The launcher's own directories.
    #[must_use]
    pub fn directories(&self) -> Vec<PathBuf> {
        match self {
            Self::V1(directories) => directories.to_vec(),
            Self::V2(directory) => vec![directory.clone()],
        }
    }

    fn make(&self) -> Result<(), Error> {
        match self {
            Self::V1(directories) => directories.iter().try_for_each(|directory| files::make(directory)),
            Self::V2(directory) => {
                let base = directory.parent().unwrap_or(Path::new("/"));
                leave_for_leaf(base)?;
                enable(base)?;
                files::make(directory)?;
                enable(directory)
            }
        }
    }

    /// Removes the launcher's own directories; they are empty by then.
    ///
    /// # Errors
    /// [`Error::Cgroup`].
    pub fn remove(&self) -> Result<(), Error> {
        self.directories().iter().try_for_each(|directory| files::remove(directory))
    }
}

fn missing(why: &str) -> Error {
    Error::LayerMissing { layer: "cgroup", why: why.to_owned(), remedy: REMEDY.to_owned() }
}

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(file("read", path, "is /proc mounted?"))
}

/// The directory of the launcher's own cgroup in the unified hierarchy.
fn unified(mounts: &str, own: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| mount_point(line, "cgroup2", None))?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(below(&mount, path))
}

/// The directory of the launcher's own cgroup in the v1 hierarchy of `controller`.
fn hierarchy(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| mount_point(line, "cgroup", Some(controller)))?;
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    })?;
    Some(below(&mount, path))
}

fn below(mount: &str, path: &str) -> PathBuf {
    let relative = path.trim_start_matches('/');
    if relative.is_empty() { PathBuf::from(mount) } else { Path::new(mount).join(relative) }
}

/// The mount point of a mountinfo line of this file system type, whose super options name `controller`.
/// proc_pid_mountinfo(5). A mount point with an escaped character is not one of a cgroup hierarchy.
fn mount_point(line: &str, kind: &str, controller: Option<&str>) -> Option<String> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = file_system.split(' ');
    let (found, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
    let has = controller.is_none_or(|wanted| options.split(',').any(|option| option == wanted));
    (found == kind && has).then(|| mount.split(' ').nth(4).map(str::to_owned)).flatten()
}

fn has_controllers(base: &Path) -> bool {
    let available = files::read(base, "cgroup.controllers").unwrap_or_default();
    CONTROLLERS.iter().all(|wanted| available.split(' ').any(|name| name == *wanted))
}

/// Passes the controllers on to the directories below. cgroups(7), cgroup.subtree_control.
fn enable(directory: &Path) -> Result<(), Error> {
    let wanted = CONTROLLERS.map(|controller| format!("+{controller}")).join(" ");
    files::write(directory, "cgroup.subtree_control", &wanted)?;
    let enabled = files::read(directory, "cgroup.subtree_control")?;
    if CONTROLLERS.iter().all(|wanted| enabled.split(' ').any(|name| name == *wanted)) {
        return Ok(());
    }
    Err(files::error(directory, "enable controllers", format!("the kernel has enabled {enabled:?}")))
}

/// Below the root a cgroup that passes controllers on may hold no process itself ("no internal processes"):
/// the launcher moves into a leaf first.
fn leave_for_leaf(base: &Path) -> Result<(), Error> {
    if !base.join("cgroup.type").exists() {
        return Ok(());
    }
    let leaf = base.join("cofferdam-launcher");
    if !leaf.exists() {
        files::make(&leaf)?;
    }
    files::write(&leaf, "cgroup.procs", "0")
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
        assert_eq!(
            hierarchy(MOUNTS, own, "cpu"),
            Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/user.slice"))
        );
        assert_eq!(hierarchy(MOUNTS, own, "memory"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(hierarchy(MOUNTS, own, "pids"), None);
    }

    #[test]
    fn the_unified_hierarchy_is_found_by_its_file_system_type() {
        let own = "0::/user.slice/user-1000.slice";
        let expected = PathBuf::from("/sys/fs/cgroup/unified/user.slice/user-1000.slice");
        assert_eq!(unified(MOUNTS, own), Some(expected));
    }
}
