//! fcntl(2) F_SETFL with O_ASYNC: signals at every byte. The filter answers by the flag.

use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::number;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "asynchronous-descriptor",
    "be signalled at every byte",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    call(libc::SYS_fcntl, &[number(&end), libc::F_SETFL.into(), libc::O_ASYNC.into()])?;
    succeeded("it will be")
}
