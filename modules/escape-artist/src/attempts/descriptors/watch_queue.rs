//! pipe2(2) with O_NOTIFICATION_PIPE: the kernel's watch queues wrote past their end (CVE-2022-0995). The filter
//! answers by the flag.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::raw::{call, into, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("watch-queue", "make a pipe of notifications", Layer::Seccomp, Errno::EPERM, run);

/// The control has one as far as its kernel is built with them.
fn run(_: &Context) -> Tried {
    let mut ends = [0_i32; 2];
    let made = call(libc::SYS_pipe2, &[into(&mut ends), libc::O_EXCL.into()]);
    reached(made, Errno::ENOPKG)
}
