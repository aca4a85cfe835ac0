//! futex(2) FUTEX_LOCK_PI: locks with an owner, by which any process became root (CVE-2014-3153, towelroot). The
//! filter answers by the operation.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "inherit-priority",
    "lock with priority inheritance",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
);

fn run(_: &Context) -> Tried {
    const FUTEX_LOCK_PI: i64 = 6;
    let mut lock = [0_u32];
    call(libc::SYS_futex, &[into(&mut lock), FUTEX_LOCK_PI])?;
    succeeded(format!("thread {} owns the lock", lock[0]))
}
