//! madvise(2) MADV_MERGEABLE: pages shared with others tell by their timing what those hold. The filter answers by the
//! advice.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "merge-pages",
    "have equal pages merged with those of others",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

const PAGE_BYTES: i64 = 4096;

fn run(_: &Context) -> Tried {
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let page = call(libc::SYS_mmap, &[0, PAGE_BYTES, libc::PROT_READ.into(), anonymous.into(), -1])?;
    call(libc::SYS_madvise, &[page, PAGE_BYTES, libc::MADV_MERGEABLE.into()])?;
    succeeded("they will be")
}
