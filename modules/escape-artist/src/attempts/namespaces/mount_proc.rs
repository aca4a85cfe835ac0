//! mount(2) of a new procfs, without what hides parts of the old one. Runtimes also believed one that the container had
//! prepared (CVE-2015-1334, LXC; CVE-2019-16884, runc). The filter answers, and kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("mount-proc", "mount a new /proc", run);

fn run(context: &Context) -> Tried {
    nix::mount::mount(Some("proc"), &context.mount_point, Some("proc"), MsFlags::empty(), NO_TEXT)?;
    succeeded("mounted a procfs")
}
