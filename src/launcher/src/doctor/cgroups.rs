//! Makes a cgroup with limits as each start does, puts a process into it, and removes it.

use std::os::fd::AsFd;

use cofferdam_config::CgroupRoot;
use cofferdam_policy::profile::{Limit, Limits};

use super::trial::{Found, named};
use crate::cgroup::{Cgroup, CgroupHost, Entry};
use crate::error::Error;
use crate::sys;
use crate::sys::clone::{ChildStack, NewNamespaces, clone_and_wait};
use crate::sys::parent::{self, Ended, Reap};

/// This process is the launcher here: it moves into a leaf of its cgroup where that is divided. That is done once.
pub(super) fn settle(root: &CgroupRoot) -> Result<CgroupHost, String> {
    CgroupHost::settle(&format!("doctor-{}", std::process::id()), root).map_err(cause)
}

/// An error's cause without its remedy, which `cofferdam doctor` gives.
fn cause(error: Error) -> String {
    if let Error::LayerMissing { why, .. } = error { why } else { error.to_string() }
}

/// Makes a cgroup with limits there, enters it and removes it.
pub(super) fn tried(host: &CgroupHost) -> Found {
    let why = String::new;
    let limits = Limits {
        memory_bytes: Limit { value: 16 * 1024 * 1024, why: why() },
        cpu_percent: Limit { value: 50, why: why() },
        cpu_weight: Limit { value: 100, why: why() },
        tasks: Limit { value: 8, why: why() },
        disk: None,
    };
    let cgroup = Cgroup::create(host, "trial", &limits).map_err(|error| error.to_string())?;
    let version = cgroup.version();
    let entered = enter(&cgroup);
    cgroup.remove().map_err(|error| error.to_string())?;
    entered?;
    let below =
        host.directories().first().and_then(|path| path.parent()).map(|path| path.display().to_string());
    Ok(format!("cgroup {version} below {}: limits were set and read back", below.unwrap_or_default()))
}

/// The child writes itself into the cgroup where it was not born in it, and ends.
fn enter(cgroup: &Cgroup) -> Result<(), String> {
    extern "C" fn join(entry: &Entry) -> ! {
        let entered = match entry {
            Entry::Tasks(tasks) => tasks.iter().all(|tasks| sys::child::write(tasks.as_fd(), b"0").is_ok()),
            Entry::Born(_) => true,
        };
        sys::child::exit(usize::from(!entered))
    }
    let entry = cgroup.entry().map_err(|error| error.to_string())?;
    let born_in = match &entry {
        Entry::Born(directory) => Some(directory.as_fd()),
        Entry::Tasks(_) => None,
    };
    let mut stack = ChildStack::new().map_err(named("mmap"))?;
    let child = clone_and_wait(&mut stack, NewNamespaces(0), born_in, join, &entry)
        .map_err(named("clone3 with CLONE_INTO_CGROUP"))?;
    match parent::reap(child.pidfd.as_fd(), Reap::Wait).map_err(named("waitid P_PIDFD"))? {
        Some(Ended::Exited(0)) => Ok(()),
        other => Err(format!("a process could not enter its cgroup: {other:?}")),
    }
}
