//! ioprio_set(2): its reads and writes before those of the node. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "raise-disk-priority",
    "raise the priority of its disk accesses",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (this_process, best_effort_first) = (1, 2 << 13);
    call(libc::SYS_ioprio_set, &[this_process, 0, best_effort_first])?;
    succeeded("they come first")
}
