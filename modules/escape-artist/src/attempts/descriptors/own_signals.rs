//! fcntl(2) F_SETOWN has the kernel signal another process, checked when the descriptor is ready and not now. The
//! filter answers.

use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::number;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "own-signals",
    "have the kernel signal another process",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    let victim = context.victim.as_raw().into();
    call(libc::SYS_fcntl, &[number(&end), libc::F_SETOWN.into(), victim])?;
    succeeded("it will be signalled when there is something to read")
}
