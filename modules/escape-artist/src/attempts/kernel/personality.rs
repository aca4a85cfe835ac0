//! personality(2) READ_IMPLIES_EXEC, or no randomised addresses. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "personality",
    "make all memory executable (personality)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

use nix::sys::personality::{Persona, set};

fn run(_: &Context) -> Tried {
    set(Persona::READ_IMPLIES_EXEC)?;
    succeeded("whatever it maps to read can be executed")
}
