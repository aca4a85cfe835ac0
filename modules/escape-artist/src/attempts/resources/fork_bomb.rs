//! fork(2) without end. The filter answers the first; pids.max would answer the 64th.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::start_process;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("fork-bomb", "start processes that start processes", Layer::Seccomp, Errno::EPERM, run);

const PROCESSES: usize = 20;

/// By the flags of fork(2), which not every architecture has as a call.
fn run(_: &Context) -> Tried {
    for _ in 0..PROCESSES {
        start_process(libc::SYS_clone, &[libc::SIGCHLD.into()])?;
    }
    succeeded(format!("started {PROCESSES}"))
}
