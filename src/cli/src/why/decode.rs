//! The registers of a system call as a man page names them, where that needs no memory of the module. Pointers stay
//! numbers: what they pointed to was never read.

use cofferdam_audit::Argument;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::socket::{AddressFamily, SockType};

/// How a register is shown.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A signed 32-bit number: a descriptor, a pid, a length.
    Number,
    /// As it is.
    Raw,
    /// Flags of clone(2).
    Namespaces,
    Prot,
    Map,
    Open,
    Family,
    Socket,
}

use Kind::{Family, Map, Namespaces, Number, Open, Prot, Raw, Socket};

/// The call with its arguments. Those of a call that is not known here are shown as they are.
pub(super) fn call(name: &str, arguments: &[Argument; 6]) -> String {
    let shown: Vec<String> = match names(name) {
        Some(names) => {
            let shown = |((label, kind), argument): (&(&str, Kind), &Argument)| {
                format!("{label}={}", value(*kind, argument.0))
            };
            names.iter().zip(arguments).map(shown).collect()
        }
        None => arguments.iter().map(Argument::to_string).collect(),
    };
    format!("{name}({})", shown.join(", "))
}

fn names(call: &str) -> Option<&'static [(&'static str, Kind)]> {
    Some(match call {
        "ptrace" => &[("request", Number), ("pid", Number), ("addr", Raw), ("data", Raw)],
        "process_vm_readv" | "process_vm_writev" => &[("pid", Number), ("local_iov", Raw)],
        "pidfd_getfd" => &[("pidfd", Number), ("targetfd", Number), ("flags", Raw)],
        "pidfd_open" => &[("pid", Number), ("flags", Raw)],
        "kill" | "tkill" => &[("pid", Number), ("sig", Number)],
        "tgkill" => &[("tgid", Number), ("tid", Number), ("sig", Number)],
        "clone" => &[("flags", Namespaces), ("stack", Raw)],
        "unshare" => &[("flags", Namespaces)],
        "setns" => &[("fd", Number), ("nstype", Namespaces)],
        "mmap" => {
            &[("addr", Raw), ("length", Raw), ("prot", Prot), ("flags", Map), ("fd", Number), ("offset", Raw)]
        }
        "mprotect" | "pkey_mprotect" => &[("addr", Raw), ("length", Raw), ("prot", Prot)],
        "madvise" => &[("addr", Raw), ("length", Raw), ("advice", Number)],
        "socket" | "socketpair" => &[("domain", Family), ("type", Socket), ("protocol", Number)],
        "connect" | "bind" => &[("sockfd", Number), ("addr", Raw), ("addrlen", Number)],
        "listen" => &[("sockfd", Number), ("backlog", Number)],
        "open" => &[("path", Raw), ("flags", Open), ("mode", Raw)],
        "openat" => &[("dirfd", Number), ("path", Raw), ("flags", Open), ("mode", Raw)],
        "openat2" => &[("dirfd", Number), ("path", Raw), ("how", Raw), ("size", Number)],
        "execve" => &[("path", Raw), ("argv", Raw), ("envp", Raw)],
        "execveat" => &[("dirfd", Number), ("path", Raw), ("argv", Raw), ("envp", Raw), ("flags", Raw)],
        "memfd_create" => &[("name", Raw), ("flags", Raw)],
        "mount" => &[("source", Raw), ("target", Raw), ("type", Raw), ("flags", Raw), ("data", Raw)],
        "chmod" => &[("path", Raw), ("mode", Raw)],
        "fchmod" => &[("fd", Number), ("mode", Raw)],
        "ioctl" => &[("fd", Number), ("cmd", Raw), ("arg", Raw)],
        "prctl" => &[("option", Number), ("arg2", Raw), ("arg3", Raw), ("arg4", Raw), ("arg5", Raw)],
        "io_uring_setup" => &[("entries", Number), ("params", Raw)],
        "bpf" => &[("cmd", Number), ("attr", Raw), ("size", Number)],
        _ => return None,
    })
}

fn value(kind: Kind, register: u64) -> String {
    let [a, b, c, d, ..] = register.to_le_bytes();
    let low = i32::from_le_bytes([a, b, c, d]);
    let raw = format!("{register:#x}");
    match kind {
        Number => low.to_string(),
        Raw => raw,
        // The lowest byte is the signal at the child's end.
        Namespaces => flags(CloneFlags::from_bits_truncate(low).iter_names(), &raw),
        Prot => flags(ProtFlags::from_bits_truncate(low).iter_names(), &raw),
        Map => flags(MapFlags::from_bits_truncate(low).iter_names(), &raw),
        Open => flags(OFlag::from_bits_truncate(low).iter_names(), &raw),
        Family => AddressFamily::from_i32(low).map_or(raw, |family| format!("{family:?}")),
        // Flags share the register with the type.
        Socket => SockType::try_from(low & 0xf).map_or(raw, |kind| format!("{kind:?}")),
    }
}

/// The names of the flags, or the number where none has a name.
fn flags<F>(names: impl Iterator<Item = (&'static str, F)>, raw: &str) -> String {
    let names: Vec<&str> = names.map(|(name, _)| name).collect();
    if names.is_empty() { raw.to_owned() } else { names.join("|") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, arguments: [u64; 6]) -> String {
        call(name, &arguments.map(Argument))
    }

    #[test]
    fn arguments_have_the_names_of_the_man_page() {
        assert_eq!(shown("ptrace", [16, 1, 0, 0, 9, 9]), "ptrace(request=16, pid=1, addr=0x0, data=0x0)");
        assert_eq!(
            shown("socket", [2, 0x8_0001, 6, 0, 0, 0]),
            "socket(domain=Inet, type=Stream, protocol=6)"
        );
        assert_eq!(shown("unshare", [0x1000_0000, 0, 0, 0, 0, 0]), "unshare(flags=CLONE_NEWUSER)");
        let text = shown("mprotect", [0x7000, 4096, 5, 0, 0, 0]);
        assert_eq!(text, "mprotect(addr=0x7000, length=0x1000, prot=PROT_READ|PROT_EXEC)");
        let at = shown("execveat", [u64::from(u32::MAX - 99), 1, 2, 3, 0, 0]);
        assert!(at.starts_with("execveat(dirfd=-100, path=0x1"), "{at}");
    }

    #[test]
    fn a_call_that_is_not_known_here_is_shown_as_it_is() {
        assert_eq!(shown("kcmp", [1, 2, 3, 4, 5, 0x1f]), "kcmp(0x1, 0x2, 0x3, 0x4, 0x5, 0x1f)");
    }
}
