//! SCM_RIGHTS from the core or an accomplice: a descriptor of the host's. The filter answers: recvmsg(2) is not for
//! modules.

use std::io::{IoSliceMut, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("receive-descriptor", "receive a descriptor", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::socket::{MsgFlags, recvmsg};

fn run(_: &Context) -> Tried {
    let (end, mut other) = UnixStream::pair()?;
    other.write_all(b"!")?;
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    recvmsg::<()>(end.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    succeeded("received a message that could have carried one")
}
