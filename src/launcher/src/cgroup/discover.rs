//! Finds where this launcher may make cgroups: cgroup v2 with its controllers, or the v1 hierarchies.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_config::CgroupRoot;
use cofferdam_installation::cgroups::{CONTROLLERS, Hierarchy, directory, names_all_controllers};

use super::files;
use crate::error::{Error, file};

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
    /// Finds the hierarchies (or takes the v2 directory the operator names), removes what an earlier launcher of the
    /// same `instance` left behind, and makes this launcher's own directory. Only one launcher of an instance may run:
    /// the caller holds its lock.
    ///
    /// # Errors
    /// [`Error::LayerMissing`] when there is no hierarchy in which this user may set the limits.
    pub fn settle(instance: &str, root: &CgroupRoot) -> Result<Self, Error> {
        let mounts = read("/proc/self/mountinfo")?;
        let own = read("/proc/self/cgroup")?;
        let name = format!("cofferdam-{instance}");
        let v2 = match root {
            CgroupRoot::Auto => directory(&mounts, &own, Hierarchy::Unified),
            CgroupRoot::Path(path) if has_controllers(path) => Some(path.clone()),
            CgroupRoot::Path(path) => {
                let why =
                    format!("{} is not a cgroup v2 directory with memory, cpu and pids", path.display());
                return Err(missing(&why));
            }
        };
        let found = match v2 {
            Some(base) if has_controllers(&base) => Self::V2(base.join(name)),
            _ => match CONTROLLERS.map(|controller| directory(&mounts, &own, Hierarchy::Of(controller))) {
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

fn has_controllers(base: &Path) -> bool {
    names_all_controllers(&files::read(base, "cgroup.controllers").unwrap_or_default())
}

/// Passes the controllers on to the directories below. cgroups(7), cgroup.subtree_control.
fn enable(directory: &Path) -> Result<(), Error> {
    let wanted = CONTROLLERS.map(|controller| format!("+{controller}")).join(" ");
    files::write(directory, "cgroup.subtree_control", &wanted)?;
    let enabled = files::read(directory, "cgroup.subtree_control")?;
    if names_all_controllers(&enabled) {
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
    // Other launchers in this base, of other state directories, move into the same one: it is never removed.
    let leaf = base.join("cofferdam-launcher");
    files::share(&leaf)?;
    files::write(&leaf, "cgroup.procs", "0")
}
