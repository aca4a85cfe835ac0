//! msgget(2): System V objects outlive their maker and are open to its user. The filter answers; the ipc namespace is
//! its own.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "system-v-message-queue",
    "make System V message queues",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    const PRIVATE: i64 = 0;
    let id = call(libc::SYS_msgget, &[PRIVATE, 0o600])?;
    let remove = 0;
    call(libc::SYS_msgctl, &[id, remove])?;
    succeeded("made and removed it")
}
