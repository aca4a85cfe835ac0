//! kill(2) of another process. The filter answers; the pid namespace and Landlock's scope would too.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("signal-other", "signal another process", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    nix::sys::signal::kill(context.victim, None)?;
    succeeded("may signal it")
}
