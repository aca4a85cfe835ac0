//! setpriority(2). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("raise-priority", "raise its priority", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    rustix::process::setpriority_process(None, -1)?;
    succeeded("raised it to -1")
}
