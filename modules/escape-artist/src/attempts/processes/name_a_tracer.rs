//! prctl(2) PR_SET_PTRACER: lets an accomplice on the host trace it. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("name-a-tracer", "let any process trace it", Layer::Seccomp, Errno::EPERM, run)
        .needing(Needs::Path("/proc/sys/kernel/yama"));

const PR_SET_PTRACER: i64 = 0x5961_6d61;

fn run(_: &Context) -> Tried {
    call(libc::SYS_prctl, &[PR_SET_PTRACER, -1])?;
    succeeded("any process may")
}
