//! arch_prctl(2) beyond what the C library needs: other segments, shadow stacks, instructions to be masked. The filter
//! answers by the option.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "change-segments",
    "reach its segments (arch_prctl)",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
);

fn run(_: &Context) -> Tried {
    const ARCH_GET_GS: i64 = 0x1004;
    let mut base = [0_u64];
    call(libc::SYS_arch_prctl, &[ARCH_GET_GS, into(&mut base)])?;
    succeeded("learned where GS points")
}
