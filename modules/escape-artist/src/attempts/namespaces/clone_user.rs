//! clone(2) with CLONE_NEWUSER: the same as unshare(2), by the call that also starts threads. The filter answers by
//! the flags, and kills.

use crate::attempt::{Attempt, Context, Tried};
use crate::steps::start_process;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("clone-user", "start a process in a user namespace of its own", run);

fn run(_: &Context) -> Tried {
    let flags = i64::from(libc::CLONE_NEWUSER) | i64::from(libc::SIGCHLD);
    start_process(libc::SYS_clone, &[flags])
}
