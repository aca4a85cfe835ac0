//! mmap(2) of memory that is writable and executable at once. The filter answers; PR_SET_MDWE would too.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "memory-write-and-execute",
    "map memory both writable and executable",
    Layer::Seccomp,
    Errno::EACCES,
    run,
);

const PAGE_BYTES: i64 = 4096;

fn run(_: &Context) -> Tried {
    let (access, anonymous) = (libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    call(libc::SYS_mmap, &[0, PAGE_BYTES, access.into(), anonymous.into(), -1])?;
    succeeded("what it writes can be executed")
}
