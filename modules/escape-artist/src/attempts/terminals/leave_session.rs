//! setsid(2): away from the session by which a shell ends its jobs. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("leave-session", "make a session of its own", Layer::Seccomp, Errno::EPERM, run);

/// Whoever leads a group already may not; the kernel says so itself.
fn run(_: &Context) -> Tried {
    rustix::process::setsid()?;
    succeeded("made it")
}
