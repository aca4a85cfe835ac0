//! ioperm(2): single ports of the hardware. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("reach-one-port", "reach a hardware port (ioperm)", run)
    .needing(Needs::Function("io_bitmap_share"));

/// The port that nothing listens on but a card for diagnosis.
fn run(_: &Context) -> Tried {
    const DIAGNOSIS: i64 = 0x80;
    call(libc::SYS_ioperm, &[DIAGNOSIS, 1, 1])?;
    succeeded("may speak to one")
}
