//! Settings of the kernel that explain a refusal, or that harden what no sandbox of ours is part of. They are read,
//! never changed; what they say is never taken for what can be done.

use std::fs;

use super::Fact;

/// A setting's name, as sysctl(8) has it. One that this kernel does not have is not told.
const NAMES: [&str; 11] = [
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
    "kernel.yama.ptrace_scope",
    "kernel.unprivileged_bpf_disabled",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.io_uring_disabled",
    "vm.unprivileged_userfaultfd",
    "vm.memfd_noexec",
    "kernel.core_pattern",
];

/// What the facts about settings begin with.
const PREFIX: &str = "setting ";

pub(super) fn read() -> Vec<Fact> {
    let mut facts: Vec<Fact> = NAMES
        .iter()
        .filter_map(|name| {
            let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
            Some(Fact { name: format!("{PREFIX}{name}"), found: Ok(text.trim().to_owned()) })
        })
        .collect();
    facts.push(Fact { name: "kernel".to_owned(), found: kernel() });
    facts.push(Fact { name: format!("{PREFIX}seccomp"), found: filters() });
    facts.push(Fact { name: format!("{PREFIX}uid"), found: Ok(nix::unistd::geteuid().to_string()) });
    facts
}

fn kernel() -> Result<String, String> {
    let name = nix::sys::utsname::uname().map_err(|errno| format!("uname: {errno}"))?;
    Ok(format!("Linux {}", name.release().to_string_lossy()))
}

/// Whether a filter of somebody else's is in force already: 2 if so. proc_pid_status(5).
fn filters() -> Result<String, String> {
    let path = "/proc/self/status";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    line.map(|value| value.trim().to_owned()).ok_or_else(|| format!("{path} has no line Seccomp"))
}
