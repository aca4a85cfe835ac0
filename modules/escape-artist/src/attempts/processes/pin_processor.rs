//! sched_setaffinity(2): to share a core, and its caches, with a victim. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("pin-processor", "choose its processors", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let present = rustix::thread::sched_getaffinity(None)?;
    rustix::thread::sched_setaffinity(None, &present)?;
    succeeded("chose the processors it has")
}
