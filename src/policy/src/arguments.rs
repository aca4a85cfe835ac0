//! Which arguments of which system calls a policy may speak about. A filter sees registers of 64 bits and
//! compares the low 32 of them: that is sound only where the kernel ignores the upper half too, so an entry
//! follows the type in include/linux/syscalls.h. Pointers are never here: a filter cannot follow them.

/// How the kernel treats the upper half of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// It is cut off (`int`, `unsigned int`, or an explicit `lower_32_bits`): the whole value can be compared.
    Cut,
    /// It is not cut off, or more than the upper half is, but the bits that policies name are tested one by
    /// one: only `has` and `lacks` are sound.
    Bits,
}

/// One argument that a policy may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Argument {
    /// Its name in the man page.
    pub(crate) name: &'static str,
    /// Its position, 0 to 5.
    pub(crate) index: u8,
    /// What can be said about it.
    pub(crate) width: Width,
}

const fn cut(name: &'static str, index: u8) -> Argument {
    Argument { name, index, width: Width::Cut }
}

const fn bits(name: &'static str, index: u8) -> Argument {
    Argument { name, index, width: Width::Bits }
}

/// The arguments of `call` that a policy may name; none if there are none.
pub(crate) fn of_call(call: &str) -> &'static [Argument] {
    match call {
        "arch_prctl" | "prctl" => const { &[cut("option", 0)] },
        // unsigned long, but sys_clone takes lower_32_bits of it. Argument 0 everywhere but on s390.
        "clone" => const { &[cut("flags", 0)] },
        // unsigned long: the kernel tests the bits of F_SETFL one by one, and since Linux 6.4 cuts it to int first.
        "fcntl" => const { &[cut("cmd", 1), bits("arg", 2)] },
        "ioctl" => const { &[cut("cmd", 1)] },
        "futex" => const { &[cut("op", 1)] },
        // unsigned long: calc_vm_prot_bits and calc_vm_flag_bits test single bits.
        "mmap" => const { &[bits("prot", 2), bits("flags", 3)] },
        "mprotect" => const { &[bits("prot", 2)] },
        "madvise" => const { &[cut("advice", 2)] },
        "prlimit64" => const { &[cut("pid", 0)] },
        "socket" | "socketpair" => const { &[cut("domain", 0), cut("type", 1), cut("protocol", 2)] },
        "getsockopt" | "setsockopt" => const { &[cut("level", 1), cut("optname", 2)] },
        "accept4" | "recvfrom" | "sendto" => const { &[cut("flags", 3)] },
        "recvmsg" | "sendmsg" => const { &[cut("flags", 2)] },
        // umode_t has 16 bits.
        "open" => const { &[cut("flags", 1), bits("mode", 2)] },
        "openat" => const { &[cut("flags", 2), bits("mode", 3)] },
        "chmod" | "fchmod" => const { &[bits("mode", 1)] },
        "fchmodat" => const { &[bits("mode", 2)] },
        // size_t, but more than a page is refused (E2BIG), so that the upper half is 0.
        "openat2" => const { &[cut("size", 3)] },
        "renameat2" => const { &[cut("flags", 4)] },
        "pipe2" => const { &[cut("flags", 1)] },
        _ => &[],
    }
}
