//! iopl(2): every port of the hardware. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("reach-ports", "reach all hardware ports (iopl)", run)
    .needing(Needs::Function("io_bitmap_share"));

fn run(_: &Context) -> Tried {
    call(libc::SYS_iopl, &[3])?;
    succeeded("may speak to all of them")
}
