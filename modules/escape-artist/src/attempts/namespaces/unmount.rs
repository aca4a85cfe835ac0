//! umount2(2) of what lies over something else, as containers hide parts of /proc and /sys. The filter answers, and
//! kills; nothing of the host lies below its mounts.

use nix::mount::MntFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("unmount", "unmount what hides the host", run);

fn run(context: &Context) -> Tried {
    nix::mount::umount2(&context.mount_point, MntFlags::MNT_DETACH)?;
    succeeded("unmounted it")
}
