//! remap_file_pages(2) changes what lies behind a mapping; long deprecated. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "remap-file-pages",
    "rearrange the pages of a mapping",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    reached(call(libc::SYS_remap_file_pages, &[0, 4096]), Errno::EINVAL)
}
