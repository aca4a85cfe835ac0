//! mount(2) of an overlay, which copied set-user-ID files and file capabilities up into the host (CVE-2021-3493,
//! CVE-2023-0386, CVE-2023-2640). The filter answers, and kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("mount-overlay", "mount an overlay", run).needing(Needs::FileSystem("overlay"));

fn run(context: &Context) -> Tried {
    let lower = context.data_dir.display();
    let options = format!("lowerdir={lower}:{}", context.other_data.display());
    let options = Some(options.as_str());
    nix::mount::mount(Some("overlay"), &context.mount_point, Some("overlay"), MsFlags::MS_RDONLY, options)?;
    succeeded("mounted an overlay")
}
