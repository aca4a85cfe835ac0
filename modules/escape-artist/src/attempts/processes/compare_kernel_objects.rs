//! kcmp(2) compares what two processes hold, and orders the kernel's addresses. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("compare-kernel-objects", "compare what it holds with another process", run)
        .needing(Needs::Call("kcmp"));

fn run(context: &Context) -> Tried {
    let own = i64::from(nix::unistd::getpid().as_raw());
    let memory = 1;
    call(libc::SYS_kcmp, &[own, context.victim.as_raw().into(), memory])?;
    succeeded("compared their memory")
}
