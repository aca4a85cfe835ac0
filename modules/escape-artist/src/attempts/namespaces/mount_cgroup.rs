//! mount(2) of a cgroup hierarchy, whose release_agent the kernel runs as root on the host (CVE-2022-0492). The filter
//! answers, and kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("mount-cgroup", "mount the cgroup tree", run);

fn run(context: &Context) -> Tried {
    nix::mount::mount(Some("cgroup2"), &context.mount_point, Some("cgroup2"), MsFlags::empty(), NO_TEXT)?;
    succeeded("mounted the cgroup tree")
}
