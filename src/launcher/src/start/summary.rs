//! A start in one line, for the operator.

use cofferdam_config::Layer;
use cofferdam_policy::profile::{Access, Profile, SyscallRules, Verdict};

use crate::child::Watching;
use crate::disk::DiskQuota;
use crate::host::Enforced;
use crate::landlock;

use super::tasks::TaskRlimit;
use super::{Launcher, Loaded, Running};

impl Launcher {
    /// The layers that confine a subject here, for the audit log.
    pub(crate) fn layers_in_force(&self, loaded: &Loaded) -> Vec<String> {
        let namespaces = loaded.profile.namespaces.iter();
        let namespaces: Vec<_> = namespaces.map(|rule| rule.namespace.as_str()).collect();
        let mut layers = vec![
            format!("namespaces {}", namespaces.join(" ")),
            "mounts".to_owned(),
            "fds".to_owned(),
            format!("rlimits{}", self.without_task_rlimit()),
            "caps none".to_owned(),
            format!("seccomp {} calls{}", allowed_calls(&loaded.profile), watched(loaded)),
        ];
        if self.host.landlock_abi > 0 {
            layers.push(landlock::in_words(self.host.landlock_abi));
        }
        if self.host.memory_deny_write_execute == Enforced::Yes {
            layers.push("memory_deny_write_execute".to_owned());
        }
        if self.cgroups.is_some() {
            layers.push("cgroup".to_owned());
        }
        if loaded.disk() == DiskQuota::InForce {
            layers.push(Layer::DiskQuota.to_string());
        }
        layers
    }

    fn without_task_rlimit(&self) -> &'static str {
        match self.task_rlimit {
            TaskRlimit::Set => "",
            TaskRlimit::LeftToCgroup => {
                " without RLIMIT_NPROC, which before Linux 5.14 counts all modules together"
            }
        }
    }

    /// The layers that a subject does not have here.
    pub(crate) fn layers_missing(&self, loaded: &Loaded) -> Vec<String> {
        let of_file_system = (loaded.disk() == DiskQuota::Missing).then_some(Layer::DiskQuota);
        self.layers.missing().chain(of_file_system).map(|layer| layer.as_str().to_owned()).collect()
    }

    /// A running subject's confinement in one line, for the operator.
    pub(crate) fn confinement(&self, loaded: &Loaded, running: &Running) -> String {
        let profile = &loaded.profile;
        let namespaces: Vec<_> = profile.namespaces.iter().map(|rule| rule.namespace.as_str()).collect();
        let landlock = match self.host.landlock_abi {
            0 => "NO landlock".to_owned(),
            abi => landlock::in_words(abi),
        };
        let allowed = allowed_calls(profile);
        let limits = &profile.limits;
        let cgroup = match &running.cgroup {
            Some(cgroup) => format!(
                "cgroup {} {} MiB, {} % cpu, {} tasks{}",
                cgroup.version(),
                limits.memory_bytes.value / (1024 * 1024),
                limits.cpu_percent.value,
                limits.tasks.value,
                self.without_task_rlimit()
            ),
            None => "NO cgroup".to_owned(),
        };
        let files = match (&limits.disk, loaded.disk()) {
            (Some(disk), DiskQuota::InForce) => {
                format!("; disk {} MiB, {} files", disk.bytes.value / (1024 * 1024), disk.files.value)
            }
            (_, DiskQuota::Missing) => "; NO disk quota".to_owned(),
            (_, DiskQuota::InForce | DiskQuota::NotNeeded) => match profile.data.access {
                Access::ReadWrite => String::new(),
                Access::Read | Access::ReadExecute => "; writes no files".to_owned(),
            },
        };
        let hash = loaded.program.hash.to_string();
        format!(
            "pid {}, uid {}, namespaces {}; {landlock}; seccomp {allowed} calls{}; {cgroup}{files}; sha256 {}",
            running.pid,
            loaded.outside.uid,
            namespaces.join(" "),
            watched(loaded),
            hash.get(..16).unwrap_or(&hash)
        )
    }
}

/// That a start is no ordinary one.
fn watched(loaded: &Loaded) -> &'static str {
    match loaded.watching {
        Watching::Yes => ", watched",
        Watching::No => "",
    }
}

/// How many system calls are allowed, some of them with certain arguments only.
fn allowed_calls(profile: &Profile) -> usize {
    let is_allowed =
        |rules: &&SyscallRules| rules.clauses.iter().any(|clause| clause.verdict == Verdict::Allow);
    profile.syscalls.rules.values().filter(is_allowed).count()
}
