//! ioctl(2): every driver and file system has its own commands. The filter answers: three are allowed.

use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "other-ioctl",
    "make another ioctl than the allowed ones (FIONREAD)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    rustix::io::ioctl_fionread(&end)?;
    succeeded("asked how much there is to read")
}
