//! cgroup v1: one directory in each of the memory, cpu and pids hierarchies. cgroups(7).

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use cofferdam_control::Usage;
use cofferdam_policy::profile::Limits;

use super::{InForce, Membership, files};
use crate::error::Error;

/// The period over which processor time is shared out, in microseconds; the kernel's default.
pub(super) const CPU_PERIOD_US: u64 = 100_000;

/// What v1 gives every cgroup, where v2 gives it a weight of 100.
const DEFAULT_SHARES: u64 = 1024;

/// A weight in the shares of v1; what was rounded off is made up for, so that it can be read back.
fn shares(weight: u32) -> u64 {
    (u64::from(weight) * DEFAULT_SHARES).div_ceil(100).max(2)
}

/// One directory a hierarchy: memory, cpu, pids.
#[derive(Debug)]
pub(crate) struct Group {
    memory: PathBuf,
    cpu: PathBuf,
    pids: PathBuf,
}

impl Group {
    pub(super) fn new([memory, cpu, pids]: [PathBuf; 3]) -> Self {
        Self { memory, cpu, pids }
    }

    pub(super) fn limit(&self, limits: &Limits) -> Result<(), Error> {
        let bytes = super::whole_pages(limits.memory_bytes.value).to_string();
        files::limit(&self.memory, "memory.limit_in_bytes", &bytes)?;
        // Memory and swap together: no swap beside the memory. Absent where swap is not accounted for.
        if self.memory.join("memory.memsw.limit_in_bytes").exists() {
            files::limit(&self.memory, "memory.memsw.limit_in_bytes", &bytes)?;
        } else {
            super::require_no_swap(&self.memory)?;
        }
        let quota = super::cpu_quota_us(limits.cpu_percent.value);
        files::limit(&self.cpu, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
        files::limit(&self.cpu, "cpu.cfs_quota_us", &quota.to_string())?;
        files::limit(&self.cpu, "cpu.shares", &shares(limits.cpu_weight.value).to_string())?;
        files::limit(&self.pids, "pids.max", &limits.tasks.value.to_string())
    }

    pub(super) fn limits_in_force(&self) -> Result<InForce, Error> {
        let percent = files::number(&self.cpu, "cpu.cfs_quota_us")?.saturating_mul(100)
            / files::number(&self.cpu, "cpu.cfs_period_us")?.max(1);
        Ok(InForce {
            memory_bytes: files::number(&self.memory, "memory.limit_in_bytes")?,
            cpu_percent: percent,
            cpu_weight: files::number(&self.cpu, "cpu.shares")? * 100 / DEFAULT_SHARES,
            tasks: files::number(&self.pids, "pids.max")?,
        })
    }

    /// The files by which a single-threaded child moves itself. Writing `tasks` takes no lock that waits for
    /// an RCU grace period, as `cgroup.procs` does: 0.07 ms against 7 to 14 ms for a cold start.
    pub(super) fn tasks(&self) -> Result<Vec<OwnedFd>, Error> {
        [&self.memory, &self.cpu, &self.pids]
            .map(|directory| {
                let path = directory.join("tasks");
                let opened = OpenOptions::new().write(true).open(&path);
                opened.map(OwnedFd::from).map_err(|cause| files::error(&path, "open", cause))
            })
            .into_iter()
            .collect()
    }

    pub(super) fn membership(&self) -> Vec<Membership> {
        [("memory", &self.memory), ("cpu", &self.cpu), ("pids", &self.pids)]
            .map(|(controller, directory)| Membership::new(controller, directory))
            .to_vec()
    }

    pub(super) fn out_of_memory_kills(&self) -> u64 {
        files::keyed(&self.memory, "memory.oom_control", "oom_kill ").unwrap_or(0)
    }

    pub(super) fn usage(&self, cpu_us: u64) -> Result<Usage, Error> {
        Ok(Usage {
            memory_bytes: files::number(&self.memory, "memory.usage_in_bytes")?,
            cpu_us,
            tasks: files::number(&self.pids, "pids.current")?,
            memory_limit_hits: files::number(&self.memory, "memory.failcnt").unwrap_or(0),
            task_limit_hits: files::keyed(&self.pids, "pids.events", "max ").unwrap_or(0),
            throttled_us: files::keyed(&self.cpu, "cpu.stat", "throttled_time ").unwrap_or(0) / 1000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_can_be_read_back_from_its_shares() {
        for weight in 1..=10_000 {
            assert_eq!(shares(weight) * 100 / DEFAULT_SHARES, u64::from(weight));
        }
    }
}
