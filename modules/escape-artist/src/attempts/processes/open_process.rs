//! pidfd_open(2): a descriptor of another process. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::raw_pid;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "open-process",
    "take hold of another process (pidfd_open)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    rustix::process::pidfd_open(raw_pid(context.victim)?, rustix::process::PidfdFlags::empty())?;
    succeeded("holds a pidfd of it")
}
