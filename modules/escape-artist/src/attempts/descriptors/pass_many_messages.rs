//! sendmmsg(2), the other call that carries descriptors. The filter answers.

use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::number;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "pass-many-messages",
    "pass descriptors in many messages at once",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    call(libc::SYS_sendmmsg, &[number(&end)])?;
    succeeded("sent none, and could have sent any")
}
