//! SCM_RIGHTS to the core: a descriptor that the core would hold, or whose files it would read. The filter answers:
//! sendmsg(2) is not for modules.

use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "pass-descriptor",
    "pass a descriptor over its connection",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// In the sandbox it is the real connection; unconfined, where there is none, a pair.
fn run(context: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    let passed = [end.as_raw_fd()];
    let to = context.connection.unwrap_or(end.as_raw_fd());
    let rights = [ControlMessage::ScmRights(&passed)];
    sendmsg::<()>(to, &[IoSlice::new(b"!")], &rights, MsgFlags::empty(), None)?;
    succeeded("passed a socket")
}
