//! mount(2) with MS_BIND and MS_REMOUNT: its own directory once more, without the flags that confine it. The filter
//! answers, and kills.

use nix::mount::MsFlags;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::steps::NO_TEXT;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("remount-data", "mount its directory again without noexec", run);

fn run(context: &Context) -> Tried {
    let again =
        |flags| nix::mount::mount(Some(&context.data_dir), &context.data_dir, NO_TEXT, flags, NO_TEXT);
    again(MsFlags::MS_BIND)?;
    again(MsFlags::MS_REMOUNT | MsFlags::MS_BIND)?;
    succeeded("mounted it with exec")
}
