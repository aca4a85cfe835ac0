//! A start in one line, for the operator.

use cofferdam_policy::profile::Verdict;

use super::{Launcher, Loaded, Running};

impl Launcher {
    /// A running subject's confinement in one line, for the operator.
    pub(crate) fn confinement(&self, loaded: &Loaded, running: &Running) -> String {
        let profile = &loaded.profile;
        let namespaces: Vec<_> = profile.namespaces.iter().map(|rule| rule.namespace.as_str()).collect();
        let landlock = match self.host.landlock_abi {
            0 => "NO landlock".to_owned(),
            abi => format!("landlock abi {abi}"),
        };
        let allowed = profile
            .syscalls
            .rules
            .values()
            .filter(|rules| rules.clauses.iter().any(|clause| clause.verdict == Verdict::Allow))
            .count();
        let limits = &profile.limits;
        let cgroup = match &running.cgroup {
            Some(cgroup) => format!(
                "cgroup {} {} MiB, {} % cpu, {} tasks",
                cgroup.version(),
                limits.memory_bytes.value / (1024 * 1024),
                limits.cpu_percent.value,
                limits.tasks.value
            ),
            None => "NO cgroup".to_owned(),
        };
        let hash = loaded.program.hash.to_string();
        format!(
            "pid {}, uid {}, namespaces {}; {landlock}; seccomp {allowed} calls; {cgroup}; sha256 {}",
            running.pid,
            loaded.outside.uid,
            namespaces.join(" "),
            hash.get(..16).unwrap_or(&hash)
        )
    }
}
