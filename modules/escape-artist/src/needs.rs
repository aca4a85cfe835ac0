//! What the control of an attempt needs of the machine, and whether it is there.
//!
//! It is found out without the attempt, so that both can be wrong: a control that fails though all it needs is there is a
//! failure, and so is one that succeeds without.

use std::fmt;
use std::fs;
use std::sync::LazyLock;

use rustix::thread::CapabilitySet;

/// What a control needs beside root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Every kernel that runs Cofferdam lets root do it.
    Nothing,
    /// A Linux capability that root lacks in containers and on some virtual machines.
    LinuxCapability(&'static str, CapabilitySet),
    /// A system call that a kernel may be built without, by its name.
    Call(&'static str),
    /// A function of the kernel's that is there if the feature is built in.
    Function(&'static str),
    /// A family of sockets, by the name of its protocol.
    Protocol(&'static str),
    /// A file system that the kernel knows.
    FileSystem(&'static str),
    /// A file of the host's.
    Path(&'static str),
}

/// How the kernel names the entry of a system call.
const ENTRY: &str = if cfg!(target_arch = "aarch64") { "__arm64_sys_" } else { "__x64_sys_" };

impl Needs {
    /// Whether it is there, as far as this kernel tells.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Self::Nothing => true,
            Self::LinuxCapability(_, capability) => {
                rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
            }
            Self::Call(name) => is_function(&format!("{ENTRY}{name}")),
            Self::Function(name) => is_function(name),
            Self::Protocol(name) => {
                let text = fs::read_to_string("/proc/net/protocols").unwrap_or_default();
                text.lines().filter_map(|line| line.split_whitespace().next()).any(|word| word == name)
            }
            Self::FileSystem(name) => {
                let text = fs::read_to_string("/proc/filesystems").unwrap_or_default();
                text.split_whitespace().any(|word| word == name)
            }
            Self::Path(path) => fs::exists(path).unwrap_or(false),
        }
    }
}

/// The kernel's functions, a line each: address, kind, name. proc_kallsyms(5)
static SYMBOLS: LazyLock<String> = LazyLock::new(|| fs::read_to_string("/proc/kallsyms").unwrap_or_default());

/// Whether the kernel has this function. A system call that is not built in has a weak one in its place.
fn is_function(name: &str) -> bool {
    ["T", "t"].iter().any(|kind| SYMBOLS.contains(&format!(" {kind} {name}\n")))
}

impl fmt::Display for Needs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => out.write_str("nothing"),
            Self::LinuxCapability(name, _) => out.write_str(name),
            Self::Call(name) => write!(out, "the system call {name}"),
            Self::Function(name) => write!(out, "a kernel with {name}"),
            Self::Protocol(name) => write!(out, "a kernel that speaks {name}"),
            Self::FileSystem(name) => write!(out, "the file system {name}"),
            Self::Path(path) => out.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_kernel_has_is_there_and_what_none_has_is_not() {
        assert!(Needs::Nothing.is_there());
        assert!(Needs::Protocol("UNIX").is_there());
        assert!(Needs::FileSystem("proc").is_there());
        assert!(Needs::Call("getpid").is_there());
        assert!(!Needs::Call("no_such_call").is_there());
        assert!(!Needs::Protocol("NO-SUCH").is_there());
        assert!(!Needs::Path("/proc/no-such-file").is_there());
    }
}
