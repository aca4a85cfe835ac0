//! quotactl(2): what other users may store. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("change-quota", "reach the quota of a disk", run).needing(Needs::Call("quotactl"));

fn run(_: &Context) -> Tried {
    const SYNC_USERS: i64 = 0x8000_0100;
    call(libc::SYS_quotactl, &[SYNC_USERS])?;
    succeeded("wrote back all quotas")
}
