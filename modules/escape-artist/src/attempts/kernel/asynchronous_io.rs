//! io_setup(2): the older way to make calls behind a filter's back. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "asynchronous-io",
    "read and write asynchronously (io_setup)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let mut ring = [0_u64];
    call(libc::SYS_io_setup, &[1, into(&mut ring)])?;
    succeeded("made a ring")
}
