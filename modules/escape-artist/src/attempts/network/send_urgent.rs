//! send(2) with MSG_OOB on a Unix socket, whose urgent byte was used after it was freed (CVE-2025-38236, from within
//! Chromium's sandbox). The filter answers by the flag.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("send-urgent", "send urgent data", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::socket::{MsgFlags, send};

fn run(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    send(end.as_raw_fd(), b"!", MsgFlags::MSG_OOB)?;
    succeeded("sent urgent data")
}
