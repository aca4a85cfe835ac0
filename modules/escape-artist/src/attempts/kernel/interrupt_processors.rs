//! membarrier(2) interrupts every processor that runs it. The filter answers as a kernel that does not have it.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "interrupt-processors",
    "interrupt other processors (membarrier)",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
);

fn run(_: &Context) -> Tried {
    let commands = call(libc::SYS_membarrier, &[])?;
    succeeded(format!("may use the commands {commands:#x}"))
}
