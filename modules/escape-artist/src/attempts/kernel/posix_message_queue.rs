//! mq_open(2): a queue outlives its maker (CVE-2017-11176 was in mq_notify). The filter answers; the ipc namespace is
//! its own.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("posix-message-queue", "make a POSIX message queue", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let name = at(c"escape-artist".to_bytes_with_nul());
    call(libc::SYS_mq_open, &[name, (libc::O_CREAT | libc::O_RDWR).into(), 0o600])?;
    call(libc::SYS_mq_unlink, &[name])?;
    succeeded("made and removed it")
}
