//! A number of the x32 interface: the same calls under other numbers, which filters that compare numbers let through
//! (seccomp(2) warns of it; CVE-2014-0038 was there). The filter answers in the kernel, and kills.

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("x32-entry", "make a call by the x32 entry", run);

/// The number is its own interface's as long as its bit 30 is set; a kernel without x32 says that it has no such call.
fn run(_: &Context) -> Tried {
    const X32: i64 = 0x4000_0000;
    reached(call(libc::SYS_getpid | X32, &[]), Errno::ENOSYS)
}
