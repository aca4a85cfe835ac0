//! Finds out whether the launcher, run the same way, could make cgroups with limits. It makes none itself.

use std::fs;
use std::path::Path;

use cofferdam_config::CgroupRoot;
use cofferdam_installation::cgroups::{CONTROLLERS, Hierarchy, directory, names_all_controllers};
use nix::unistd::{AccessFlags, access};

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
    names_all_controllers(&fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default())
}
