//! mlockall(2): memory that cannot be reclaimed. The filter answers; RLIMIT_MEMLOCK is 0.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("lock-memory", "lock its memory", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::mman::{MlockAllFlags, mlockall};

fn run(_: &Context) -> Tried {
    mlockall(MlockAllFlags::MCL_CURRENT)?;
    succeeded("locked all of it")
}
