//! sched_setscheduler(2): a realtime thread that loops starves the host. The filter answers; RLIMIT_RTPRIO would too.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "become-realtime",
    "run before all ordinary processes",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let priority = [0_i32];
    call(libc::SYS_sched_setscheduler, &[0, libc::SCHED_BATCH.into(), at(&priority)])?;
    succeeded("chose how it is scheduled")
}
