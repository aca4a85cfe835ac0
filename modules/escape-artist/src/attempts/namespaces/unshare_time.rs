//! unshare(2) with CLONE_NEWTIME: clocks of its own, to be set with Linux capabilities that it would have there. The
//! filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("unshare-time", "make a time namespace", run);

const CLONE_NEWTIME: i64 = 0x80;

fn run(_: &Context) -> Tried {
    call(libc::SYS_unshare, &[CLONE_NEWTIME])?;
    succeeded("made it")
}
