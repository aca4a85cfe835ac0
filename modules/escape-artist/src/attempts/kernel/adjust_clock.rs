//! adjtimex(2) tells of the clock's state, and lets who may bend it. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "adjust-clock",
    "learn the state of the machine's clock",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let mut state = [0_u64; 26];
    call(libc::SYS_adjtimex, &[into(&mut state)])?;
    succeeded("learned it")
}
