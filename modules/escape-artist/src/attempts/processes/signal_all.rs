//! kill(2) of -1: everybody whom it may signal. The filter answers.

use nix::unistd::Pid;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("signal-all", "signal every process", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    nix::sys::signal::kill(Pid::from_raw(-1), None)?;
    succeeded("may signal them")
}
