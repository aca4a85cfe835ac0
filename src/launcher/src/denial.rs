//! From a waiting system call to what the operator reads about it. Never follows a pointer of the module.

use cofferdam_policy::profile::{Errno, Verdict};
use syscalls::Sysno;

/// The number behind a policy's error name.
pub(crate) fn errno_number(errno: Errno) -> u16 {
    let raw = kernel_errno(errno);
    #[expect(clippy::as_conversions, reason = "nix's Errno is a C-like enum of small positive numbers")]
    {
        raw as u16
    }
}

/// The kernel's error behind a policy's error name.
pub(crate) fn kernel_errno(errno: Errno) -> nix::errno::Errno {
    match errno {
        Errno::Perm => nix::errno::Errno::EPERM,
        Errno::Access => nix::errno::Errno::EACCES,
        Errno::NoSys => nix::errno::Errno::ENOSYS,
        Errno::FamilyNotSupported => nix::errno::Errno::EAFNOSUPPORT,
    }
}

/// The call's name, or `system call N`.
pub(crate) fn call_name(number: i32) -> String {
    usize::try_from(number)
        .ok()
        .and_then(Sysno::new)
        .map_or_else(|| format!("system call {number}"), |call| call.name().to_owned())
}

/// What the operator reads about a call that met `verdict`; `unreported` others before it were only counted.
pub(crate) fn sentence(number: i32, arguments: [u64; 6], verdict: Verdict, unreported: u64) -> String {
    let arguments = arguments.map(|argument| format!("{argument:#x}")).join(", ");
    let met = match verdict {
        Verdict::Kill => "killed",
        Verdict::Refuse(errno) | Verdict::Quiet(errno) => errno.as_str(),
        // Only a call that the filter did not allow waits for an answer, and this is the answer it gets.
        Verdict::Allow => Errno::Perm.as_str(),
    };
    let more = match unreported {
        0 => String::new(),
        count => format!(" ({count} more before it were not shown)"),
    };
    format!("denied: {}({arguments}): {met}{more}", call_name(number))
}
