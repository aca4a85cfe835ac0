//! A subject's cgroup: made with its limits before the start, read back, emptied and removed after the end.
//!
//! Plain files instead of the cgroups-rs crate: that crate cannot address a delegated subtree, ignores failed
//! writes, and would bring a D-Bus client into the trusted base.

mod discover;
mod files;
mod v1;
mod v2;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_control::Usage;
use cofferdam_policy::profile::Limits;

pub use discover::CgroupHost;
pub(crate) use files::remove_leftovers;

use crate::error::Error;

/// The cgroup of one start. Dropped, it is emptied and removed, so that no error on the way leaves one behind.
#[derive(Debug)]
pub(crate) struct Cgroup {
    group: Group,
    /// What is still to be removed: nothing, once that was done or tried.
    directories: Vec<PathBuf>,
}

#[derive(Debug)]
enum Group {
    /// One directory in each of the three hierarchies.
    V1(v1::Group),
    /// One directory of the unified hierarchy.
    V2(v2::Group),
}

/// The limits of a cgroup, read from the kernel, in the units of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_percent: u64,
    pub(crate) cpu_weight: u64,
    pub(crate) tasks: u64,
}

/// How a child enters its cgroup.
pub(crate) enum Entry {
    /// It writes "0" to each of these (v1).
    Tasks(Vec<OwnedFd>),
    /// It is born inside this directory (v2).
    Born(OwnedFd),
}

impl Cgroup {
    /// Makes the cgroup `name` with `limits`; what the kernel has taken is read back and compared.
    pub(crate) fn create(host: &CgroupHost, name: &str, limits: &Limits) -> Result<Self, Error> {
        let (group, directories) = match host {
            CgroupHost::V1(parents) => {
                let directories = parents.each_ref().map(|parent| parent.join(name));
                (Group::V1(v1::Group::new(directories.clone())), directories.to_vec())
            }
            CgroupHost::V2(parent) => {
                let directory = parent.join(name);
                (Group::V2(v2::Group::new(directory.clone())), vec![directory])
            }
        };
        // From here what was made is removed if a limit cannot be set.
        let cgroup = Self { group, directories };
        cgroup.directories.iter().try_for_each(|directory| files::make(directory))?;
        match &cgroup.group {
            Group::V1(group) => group.limit(limits)?,
            Group::V2(group) => group.limit(limits)?,
        }
        Ok(cgroup)
    }

    pub(crate) fn entry(&self) -> Result<Entry, Error> {
        match &self.group {
            Group::V1(group) => group.tasks().map(Entry::Tasks),
            Group::V2(group) => group.directory().map(Entry::Born),
        }
    }

    /// What `/proc/PID/cgroup` of a member must show.
    pub(crate) fn membership(&self) -> Vec<Membership> {
        match &self.group {
            Group::V1(group) => group.membership(),
            Group::V2(group) => group.membership(),
        }
    }

    /// The limits as the kernel has them now.
    pub(crate) fn limits_in_force(&self) -> Result<InForce, Error> {
        match &self.group {
            Group::V1(group) => group.limits_in_force(),
            Group::V2(group) => group.limits_in_force(),
        }
    }

    /// Whether the kernel has killed in it for want of memory.
    pub(crate) fn was_out_of_memory(&self) -> bool {
        match &self.group {
            Group::V1(group) => group.out_of_memory_kills() > 0,
            Group::V2(group) => group.out_of_memory_kills() > 0,
        }
    }

    /// What it uses now; the processor time of v1 comes from the process, by the caller.
    pub(crate) fn usage(&self, cpu_us_of_process: u64) -> Result<Usage, Error> {
        match &self.group {
            Group::V1(group) => group.usage(cpu_us_of_process),
            Group::V2(group) => group.usage(),
        }
    }

    /// Kills what is left in it and removes it.
    pub(crate) fn remove(mut self) -> Result<(), Error> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<(), Error> {
        let directories = std::mem::take(&mut self.directories);
        // One that cannot be removed keeps no other from it.
        directories.iter().map(|directory| files::remove(directory)).fold(Ok(()), Result::and)
    }

    /// In one word, for the launch line.
    pub(crate) fn version(&self) -> &'static str {
        match &self.group {
            Group::V1(_) => "v1",
            Group::V2(_) => "v2",
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Only an error on the way leads here with something to remove; that error is the one that is told.
        let _first_error_counts = self.take_away();
    }
}

/// The kernel keeps whole pages: a limit is rounded down, so that never more is allowed than was said.
fn whole_pages(bytes: u64) -> u64 {
    const PAGE_BYTES: u64 = 4096;
    bytes / PAGE_BYTES * PAGE_BYTES
}

fn cpu_quota_us(percent: u32) -> u64 {
    v1::CPU_PERIOD_US * u64::from(percent) / 100
}

/// Where swap is not accounted for it must not exist, or the memory limit would be none.
fn require_no_swap(directory: &Path) -> Result<(), Error> {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    // The first line is the table's head.
    if swaps.lines().nth(1).is_none() {
        return Ok(());
    }
    let cause =
        "this kernel does not account for swap, and swap is on: run `swapoff -a` or boot with swapaccount=1";
    Err(files::error(directory, "keep the module from swapping", cause))
}

/// One line of /proc/PID/cgroup as it must be when the process is where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The hierarchy's controller; empty for v2.
    controller: &'static str,
    /// How the path ends: this launcher's directory and the subject's.
    ending: String,
}

impl Membership {
    fn new(controller: &'static str, directory: &Path) -> Self {
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self { controller, ending: format!("/{}/{}", name(directory.parent()), name(Some(directory))) }
    }

    /// Whether the text of /proc/PID/cgroup shows this membership.
    pub(crate) fn is_shown_in(&self, proc_cgroup: &str) -> bool {
        proc_cgroup.lines().any(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            controllers.split(',').any(|name| name == self.controller) && path.ends_with(&self.ending)
        })
    }
}
