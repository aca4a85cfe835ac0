//! prctl(2) PR_SET_DUMPABLE: the way to be traced by others of its user. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "become-dumpable",
    "make itself readable for debuggers",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    nix::sys::prctl::set_dumpable(true)?;
    succeeded("it is dumpable")
}
