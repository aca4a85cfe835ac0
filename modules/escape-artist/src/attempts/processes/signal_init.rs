//! kill(2) of process 1, which on the host is its init. The filter answers; in its pid namespace it is process 1
//! itself.

use nix::unistd::Pid;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("signal-init", "signal process 1", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    nix::sys::signal::kill(Pid::from_raw(1), None)?;
    succeeded("may signal it")
}
