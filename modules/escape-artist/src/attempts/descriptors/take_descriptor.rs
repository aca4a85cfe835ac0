//! pidfd_getfd(2) takes a descriptor out of another process. The filter answers, and kills.

use std::os::fd::AsFd;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::hold_other;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("take-descriptor", "take a descriptor of another process", run);

fn run(context: &Context) -> Tried {
    let process = hold_other(context)?;
    rustix::process::pidfd_getfd(process.as_fd(), 0, rustix::process::PidfdGetfdFlags::empty())?;
    succeeded("took its standard input")
}
