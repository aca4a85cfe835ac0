//! recvmmsg(2), the other call that is given descriptors. The filter answers.

use std::io::Write;
use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::number;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "receive-many-messages",
    "receive descriptors in many messages at once",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (end, mut other) = UnixStream::pair()?;
    other.write_all(b"!")?;
    let no_messages = [0_u64; 8];
    let received = call(libc::SYS_recvmmsg, &[number(&end), at(&no_messages), 0, libc::MSG_DONTWAIT.into()]);
    received?;
    succeeded("received none, and could have received any")
}
