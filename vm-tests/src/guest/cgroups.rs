//! Sets up the cgroups of a session: one place for each test that runs at the same time. It sets no limit.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::mount_on;
use crate::plan::SessionName;

const MOUNT: &str = "/sys/fs/cgroup";

/// What of a subtree must belong to its user. cgroups(7), "Delegation"
const USERS_FILES: [&str; 4] = ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/// Where a test runs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The cgroup v2 that it starts in, if there is one.
    pub(super) cgroup: Option<PathBuf>,
    /// The subtree around it that the ordinary user may divide.
    pub(super) delegated: Option<PathBuf>,
}

/// Makes a session's cgroups, and in them this many places.
pub(super) fn places(session: SessionName, uid: u32, count: usize) -> Result<Vec<Place>> {
    let root = Path::new(MOUNT);
    match session {
        SessionName::Root => {
            mount_unified()?;
            Ok(vec![Place { cgroup: Some(root.to_owned()), delegated: None }; count])
        }
        SessionName::User => {
            mount_unified()?;
            write(root, "cgroup.subtree_control", "+memory +cpu +pids")?;
            (0..count).map(|number| delegate(&root.join(format!("delegated-{number}")), uid)).collect()
        }
        SessionName::RootV1 => {
            mount_on("tmpfs", MOUNT, "mode=755")?;
            for controller in ["memory", "cpu", "pids"] {
                mount_on("cgroup", &format!("{MOUNT}/{controller}"), controller)?;
            }
            Ok(vec![Place { cgroup: None, delegated: None }; count])
        }
    }
}

fn mount_unified() -> Result<()> {
    if Path::new(MOUNT).join("cgroup.procs").exists() {
        return Ok(());
    }
    mount_on("cgroup2", MOUNT, "")
}

/// A subtree that belongs to the user, and in it a leaf for the tests: what passes controllers on may hold no process
/// itself.
fn delegate(subtree: &Path, uid: u32) -> Result<Place> {
    let leaf = subtree.join("tests");
    fs::create_dir(subtree).with_context(|| format!("make {}", subtree.display()))?;
    write(subtree, "cgroup.subtree_control", "+memory +cpu +pids")?;
    fs::create_dir(&leaf).with_context(|| format!("make {}", leaf.display()))?;
    for directory in [subtree, &leaf] {
        for name in USERS_FILES {
            let path = directory.join(name);
            chown(&path, Some(uid), Some(uid)).with_context(|| format!("give away {}", path.display()))?;
        }
    }
    Ok(Place { cgroup: Some(leaf), delegated: Some(subtree.to_owned()) })
}

/// Moves this process into a cgroup.
pub(super) fn join(cgroup: &Path) -> Result<()> {
    write(cgroup, "cgroup.procs", "0")
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("write {text:?} to {}", path.display()))
}
