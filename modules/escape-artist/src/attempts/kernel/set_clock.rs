//! clock_settime(2): certificates, locks and logs go by the clock. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{at, call, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("set-clock", "set the machine's clock (clock_settime)", run);

fn run(_: &Context) -> Tried {
    let no_time = [0_i64, -1];
    reached(call(libc::SYS_clock_settime, &[libc::CLOCK_REALTIME.into(), at(&no_time)]), Errno::EINVAL)
}
