//! prctl(2) PR_SET_SECCOMP with the strict mode: more confinement, and a way to make the next filter's answers. The
//! filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "filter-for-itself",
    "confine itself in the strict mode",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

/// With a mode that does not exist, because the strict mode would end the control.
fn run(_: &Context) -> Tried {
    let no_mode = 9;
    reached(call(libc::SYS_prctl, &[libc::PR_SET_SECCOMP.into(), no_mode]), Errno::EINVAL)
}
