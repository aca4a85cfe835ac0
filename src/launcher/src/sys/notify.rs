//! Seccomp user notifications: the launcher's end of a filter's listener. seccomp_unotify(2).
//!
//! Only `RECV` and `SEND` are here, and not `ADDFD`. What the policy refuses is never performed; what it allows is
//! reported only of a module that `cofferdam learn` watches, and goes on. That the caller may change its memory
//! meanwhile does not matter: nothing here or in a policy looks at it.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, which the libc crate has as another type.
const GO_ON: u32 = 1;

/// A system call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    /// Names the waiting call to the kernel.
    pub(crate) id: u64,
    /// The call's number.
    pub(crate) number: i32,
    /// Its arguments, by value.
    pub(crate) arguments: [u64; 6],
}

nix::ioctl_readwrite!(recv_raw, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(send_raw, b'!', 1, libc::seccomp_notif_resp);

/// Takes the next waiting call.
///
/// # Errors
/// `ENOENT` when the caller was killed meanwhile; `EINTR` and `EAGAIN` likewise mean that there is none now.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> Result<Notification, Errno> {
    // SAFETY: the kernel wants the structure zeroed, and all-zero is a valid value of every field.
    let mut notification: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: a live structure of the kernel's layout.
    unsafe { recv_raw(listener.as_raw_fd(), &raw mut notification) }?;
    Ok(Notification { id: notification.id, number: notification.data.nr, arguments: notification.data.args })
}

/// Answers a waiting call with an error number; the call is not performed.
///
/// # Errors
/// `ENOENT` when the caller was killed meanwhile: nothing to answer.
pub(crate) fn refuse(listener: BorrowedFd<'_>, id: u64, errno: Errno) -> Result<(), Errno> {
    #[expect(clippy::as_conversions, reason = "nix's Errno is a C-like enum of i32")]
    send(listener, libc::seccomp_notif_resp { id, val: 0, error: -(errno as i32), flags: 0 })
}

/// Lets the kernel perform a waiting call, with the registers that were reported.
///
/// # Errors
/// `ENOENT` when the caller was killed meanwhile; `EINVAL` on a kernel before 5.5, which cannot do this.
pub(crate) fn go_on(listener: BorrowedFd<'_>, id: u64) -> Result<(), Errno> {
    send(listener, libc::seccomp_notif_resp { id, val: 0, error: 0, flags: GO_ON })
}

fn send(listener: BorrowedFd<'_>, mut response: libc::seccomp_notif_resp) -> Result<(), Errno> {
    // SAFETY: a live structure of the kernel's layout.
    unsafe { send_raw(listener.as_raw_fd(), &raw mut response) }.map(|_| ())
}
