//! mount(2) of a new file system over its own directory, without noexec, nodev and nosuid. The filter answers, and
//! kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("mount-tmpfs", "mount a file system", run);

fn run(context: &Context) -> Tried {
    nix::mount::mount(Some("tmpfs"), &context.data_dir, Some("tmpfs"), MsFlags::empty(), NO_TEXT)?;
    succeeded("mounted a tmpfs on its directory")
}
