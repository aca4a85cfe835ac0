//! The kernel's names for the numbers that policies may use, so that no policy holds a bare number. A name
//! that is not here cannot be written in a policy.

/// O_DIRECT differs between architectures (asm/fcntl.h).
const O_DIRECT: u32 = if cfg!(target_arch = "aarch64") { 0o200_000 } else { 0o40_000 };

/// Each name with its value, as the kernel's uapi headers have it.
const CONSTANTS: &[(&str, u32)] = &[
    // Not the kernel's name: in prlimit(2) and its like pid 0 is the calling process.
    ("SELF", 0),
    // clone(2)
    ("CLONE_VM", 0x100),
    ("CLONE_FS", 0x200),
    ("CLONE_FILES", 0x400),
    ("CLONE_SIGHAND", 0x800),
    ("CLONE_THREAD", 0x1_0000),
    ("CLONE_NEWNS", 0x2_0000),
    ("CLONE_SYSVSEM", 0x4_0000),
    ("CLONE_SETTLS", 0x8_0000),
    ("CLONE_PARENT_SETTID", 0x10_0000),
    ("CLONE_CHILD_CLEARTID", 0x20_0000),
    ("CLONE_DETACHED", 0x40_0000),
    ("CLONE_NEWCGROUP", 0x200_0000),
    ("CLONE_NEWUTS", 0x400_0000),
    ("CLONE_NEWIPC", 0x800_0000),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWNET", 0x4000_0000),
    // mmap(2), mprotect(2)
    ("PROT_WRITE", 0x2),
    ("PROT_EXEC", 0x4),
    ("MAP_ANONYMOUS", 0x20),
    // openat2(2)
    ("OPEN_HOW_SIZE_VER0", 24),
    // madvise(2)
    ("MADV_NORMAL", 0),
    ("MADV_RANDOM", 1),
    ("MADV_SEQUENTIAL", 2),
    ("MADV_WILLNEED", 3),
    ("MADV_DONTNEED", 4),
    ("MADV_FREE", 8),
    ("MADV_HUGEPAGE", 14),
    ("MADV_NOHUGEPAGE", 15),
    ("MADV_DONTDUMP", 16),
    ("MADV_DODUMP", 17),
    ("MADV_POPULATE_READ", 22),
    ("MADV_POPULATE_WRITE", 23),
    ("MADV_GUARD_INSTALL", 102),
    ("MADV_GUARD_REMOVE", 103),
    // arch_prctl(2), prctl(2)
    ("ARCH_SET_FS", 0x1002),
    ("PR_SET_NAME", 15),
    ("PR_GET_NAME", 16),
    ("PR_SET_VMA", 0x5356_4d41),
    // futex(2): all but FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME. Headers of later kernels leave out the bits
    // of new flags too; here an operation with such a flag must not pass for the one without.
    ("FUTEX_CMD_MASK", !0x180),
    ("FUTEX_WAIT", 0),
    ("FUTEX_WAKE", 1),
    ("FUTEX_REQUEUE", 3),
    ("FUTEX_CMP_REQUEUE", 4),
    ("FUTEX_WAKE_OP", 5),
    ("FUTEX_WAIT_BITSET", 9),
    ("FUTEX_WAKE_BITSET", 10),
    // socket(2), socketpair(2); SOCK_TYPE_MASK is in the kernel's linux/net.h
    ("AF_UNIX", 1),
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("SOCK_TYPE_MASK", 0xf),
    ("SOCK_STREAM", 1),
    ("SOCK_NONBLOCK", 0o4_000),
    ("SOCK_CLOEXEC", 0o2_000_000),
    ("IPPROTO_IP", 0),
    ("IPPROTO_TCP", 6),
    // send(2)
    ("MSG_OOB", 0x1),
    ("MSG_FASTOPEN", 0x2000_0000),
    // socket(7), tcp(7)
    ("SOL_SOCKET", 1),
    ("SO_TYPE", 3),
    ("SO_ERROR", 4),
    ("SO_KEEPALIVE", 9),
    ("SO_PEERCRED", 17),
    ("SO_DOMAIN", 39),
    ("TCP_NODELAY", 1),
    ("TCP_KEEPIDLE", 4),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 6),
    // fcntl(2)
    ("F_DUPFD", 0),
    ("F_GETFD", 1),
    ("F_SETFD", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("F_GETLK", 5),
    ("F_SETLK", 6),
    ("F_SETLKW", 7),
    ("F_OFD_GETLK", 36),
    ("F_OFD_SETLK", 37),
    ("F_OFD_SETLKW", 38),
    ("F_DUPFD_CLOEXEC", 1030),
    // ioctl(2)
    ("TCGETS", 0x5401),
    ("FIONBIO", 0x5421),
    ("FIOCLEX", 0x5451),
    // open(2), chmod(2), rename(2)
    ("O_EXCL", 0o200),
    ("O_DIRECT", O_DIRECT),
    ("O_ASYNC", 0o20_000),
    ("S_ISUID", 0o4000),
    ("S_ISGID", 0o2000),
    ("S_IWOTH", 0o2),
    ("RENAME_EXCHANGE", 0x2),
    ("RENAME_WHITEOUT", 0x4),
];

/// The value of a name.
pub(crate) fn value(name: &str) -> Option<u32> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Every name that a policy may use.
pub(crate) fn names() -> Vec<&'static str> {
    CONSTANTS.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
#[allow(clippy::as_conversions)]
mod tests {
    use super::*;

    /// Compares the table's values with those of libc, by the same names.
    macro_rules! agrees_with_libc {
        ($($name:ident)*) => {
            &[$((stringify!($name), libc::$name as u32)),*]
        };
    }

    const LIBC: &[(&str, u32)] = agrees_with_libc! {
        CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS
        CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID CLONE_DETACHED CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC
        CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET PROT_WRITE PROT_EXEC MAP_ANONYMOUS MADV_NORMAL MADV_RANDOM
        MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_HUGEPAGE MADV_NOHUGEPAGE MADV_DONTDUMP
        MADV_DODUMP MADV_POPULATE_READ MADV_POPULATE_WRITE PR_SET_NAME PR_GET_NAME PR_SET_VMA
        FUTEX_WAIT FUTEX_WAKE FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_WAIT_BITSET
        FUTEX_WAKE_BITSET AF_UNIX AF_INET AF_INET6 SOCK_STREAM SOCK_NONBLOCK SOCK_CLOEXEC IPPROTO_IP
        IPPROTO_TCP MSG_OOB MSG_FASTOPEN SOL_SOCKET SO_TYPE SO_ERROR SO_KEEPALIVE SO_PEERCRED SO_DOMAIN TCP_NODELAY TCP_KEEPIDLE TCP_KEEPINTVL
        TCP_KEEPCNT F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_OFD_GETLK F_OFD_SETLK
        F_OFD_SETLKW F_DUPFD_CLOEXEC TCGETS FIONBIO FIOCLEX O_EXCL O_DIRECT O_ASYNC S_ISUID S_ISGID
        S_IWOTH RENAME_EXCHANGE RENAME_WHITEOUT
    };

    /// Those that libc does not have, or has with another value on purpose.
    const NOT_IN_LIBC: &[&str] = &[
        "SELF",
        "ARCH_SET_FS",
        "SOCK_TYPE_MASK",
        "FUTEX_CMD_MASK",
        "OPEN_HOW_SIZE_VER0",
        "MADV_GUARD_INSTALL",
        "MADV_GUARD_REMOVE",
    ];

    #[test]
    fn every_constant_has_the_value_that_libc_gives_it() {
        for (name, value) in LIBC {
            assert_eq!(super::value(name), Some(*value), "{name}");
        }
    }

    #[test]
    fn every_constant_is_compared_or_named_as_an_exception() {
        let mut compared: Vec<&str> =
            LIBC.iter().map(|(name, _)| *name).chain(NOT_IN_LIBC.iter().copied()).collect();
        let mut known = names();
        compared.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, compared);
    }

    #[test]
    fn every_constant_is_used_by_a_policy() {
        let sources = crate::Sources::BUILTIN;
        let files = [
            sources.calls_kill,
            sources.calls_module,
            sources.calls_dynamic,
            sources.calls_core,
            sources.calls_core_network,
            sources.calls_core_interface,
            sources.calls_core_files,
        ];
        let separates = |character: char| !character.is_ascii_alphanumeric() && character != '_';
        for name in names() {
            let used = files.iter().any(|file| file.text.split(separates).any(|word| word == name));
            assert!(used, "{name}");
        }
    }
}
