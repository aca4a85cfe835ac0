//! mount(2) with MS_SHARED: what is mounted inside would be mounted outside too. The filter answers, and kills; its
//! mounts are private.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("share-mounts", "make its mounts propagate to the host", run);

fn run(_: &Context) -> Tried {
    nix::mount::mount(NO_TEXT, "/", NO_TEXT, MsFlags::MS_REC | MsFlags::MS_SHARED, NO_TEXT)?;
    succeeded("they propagate")
}
