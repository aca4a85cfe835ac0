//! mount(2) with MS_BIND and MS_REC: all that is mounted, at a place of its own. The filter answers, and kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("bind-root", "bind / into its directory", run);

fn run(context: &Context) -> Tried {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    nix::mount::mount(Some("/"), &context.mount_point, NO_TEXT, flags, NO_TEXT)?;
    succeeded("bound it")
}
