//! cgroup v2: one directory, into which the child is born. cgroups(7), Documentation/admin-guide/cgroup-v2.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use cofferdam_control::Usage;
use cofferdam_policy::profile::Limits;

use super::v1::CPU_PERIOD_US;
use super::{InForce, Membership, files};
use crate::error::Error;

/// One directory of the unified hierarchy.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Group {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    pub(super) fn limit(&self, limits: &Limits) -> Result<(), Error> {
        let bytes = super::whole_pages(limits.memory_bytes.value).to_string();
        files::limit(&self.0, "memory.max", &bytes)?;
        if self.0.join("memory.swap.max").exists() {
            files::limit(&self.0, "memory.swap.max", "0")?;
        } else {
            super::require_no_swap(&self.0)?;
        }
        // All of the module dies for want of memory, not one of its threads' groups.
        files::limit(&self.0, "memory.oom.group", "1")?;
        let quota = super::cpu_quota_us(limits.cpu_percent.value);
        files::limit(&self.0, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
        files::limit(&self.0, "cpu.weight", &limits.cpu_weight.value.to_string())?;
        files::limit(&self.0, "pids.max", &limits.tasks.value.to_string())
    }

    pub(super) fn limits_in_force(&self) -> Result<InForce, Error> {
        let shared_out = files::read(&self.0, "cpu.max")?;
        let mut numbers = shared_out.split(' ').map(str::parse::<u64>);
        let (Some(Ok(quota)), Some(Ok(period))) = (numbers.next(), numbers.next()) else {
            return Err(files::error(&self.0.join("cpu.max"), "read", format!("no limit: {shared_out:?}")));
        };
        Ok(InForce {
            memory_bytes: files::number(&self.0, "memory.max")?,
            cpu_percent: quota.saturating_mul(100) / period.max(1),
            cpu_weight: files::number(&self.0, "cpu.weight")?,
            tasks: files::number(&self.0, "pids.max")?,
        })
    }

    pub(super) fn directory(&self) -> Result<OwnedFd, Error> {
        File::open(&self.0).map(OwnedFd::from).map_err(|cause| files::error(&self.0, "open", cause))
    }

    pub(super) fn membership(&self) -> Vec<Membership> {
        vec![Membership::new("", &self.0)]
    }

    pub(super) fn out_of_memory_kills(&self) -> u64 {
        files::keyed(&self.0, "memory.events", "oom_kill ").unwrap_or(0)
    }

    pub(super) fn usage(&self) -> Result<Usage, Error> {
        Ok(Usage {
            memory_bytes: files::number(&self.0, "memory.current")?,
            cpu_us: files::keyed(&self.0, "cpu.stat", "usage_usec ")?,
            tasks: files::number(&self.0, "pids.current")?,
            memory_limit_hits: files::keyed(&self.0, "memory.events", "max ").unwrap_or(0),
            task_limit_hits: files::keyed(&self.0, "pids.events", "max ").unwrap_or(0),
            throttled_us: files::keyed(&self.0, "cpu.stat", "throttled_usec ").unwrap_or(0),
        })
    }
}
