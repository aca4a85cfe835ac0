//! pidfd_send_signal(2) signals what a descriptor holds, whatever the pid namespace. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{hold_other, number};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "signal-by-descriptor",
    "signal another process by a pidfd",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let process = hold_other(context)?;
    call(libc::SYS_pidfd_send_signal, &[number(&process)])?;
    succeeded("may signal it")
}
