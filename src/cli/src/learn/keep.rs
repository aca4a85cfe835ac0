//! System calls that a watch cannot judge: they are kept though they were not seen, each with its reason.

/// Not reported by the filter of a watched module (the launcher's `NEVER_WATCHED`).
const UNREPORTED: &str =
    "it is never reported: every program needs it to end a thread, itself or a signal handler";

/// Answered in the program's own memory, as a rule.
const VDSO: &str =
    "the vDSO answers it without a system call, until the machine's clock is one it cannot read";

/// On the way out.
const DYING: &str = "a panic, an abort or a signal needs it, and a watch seldom sees one";

/// When there is more to do than there was.
const MEMORY: &str = "the allocator needs it when the module grows or shrinks";

/// As there is more to do than there was.
const THREADS: &str = "a runtime starts a thread, or wakes one, when it has more to do than it had";

const KEPT: [(&str, &[&str]); 5] = [
    (UNREPORTED, &["exit", "exit_group", "rt_sigreturn", "restart_syscall"]),
    (VDSO, &["clock_gettime", "clock_getres", "gettimeofday", "time"]),
    (
        DYING,
        &[
            "rt_sigaction",
            "rt_sigprocmask",
            "sigaltstack",
            "getpid",
            "gettid",
            "tgkill",
            "tkill",
            "write",
            "writev",
        ],
    ),
    (THREADS, &["clone", "set_robust_list", "rseq", "prctl", "read", "close"]),
    (MEMORY, &["brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "futex", "sched_yield"]),
];

/// Why the call is kept, if it is.
pub(super) fn because(name: &str) -> Option<&'static str> {
    KEPT.iter().find(|(_, names)| names.contains(&name)).map(|(why, _)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_call_is_a_system_call() {
        for name in KEPT.iter().flat_map(|(_, names)| *names) {
            assert!(name.parse::<syscalls::Sysno>().is_ok(), "{name}");
        }
    }
}
