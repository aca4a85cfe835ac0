//! rt_sigqueueinfo(2) signals with data that the receiver may trust. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("queue-signal", "queue a signal for another process", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    /// siginfo_t: signal 0, no error, and the code of sigqueue(3).
    const SI_QUEUE: i32 = -1;
    let mut info = [0_i32; 32];
    info[2] = SI_QUEUE;
    call(libc::SYS_rt_sigqueueinfo, &[context.victim.as_raw().into(), 0, at(&info)])?;
    succeeded("may signal it")
}
