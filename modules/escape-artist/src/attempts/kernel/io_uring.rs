//! io_uring_setup(2): system calls through a ring, which no filter sees; CVE-2022-29582 and many more were there. The
//! filter answers as a kernel that does not have it.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("io-uring", "make system calls through io_uring", Layer::Seccomp, Errno::ENOSYS, run);

fn run(_: &Context) -> Tried {
    let mut parameters = [0_u8; 120];
    call(libc::SYS_io_uring_setup, &[1, into(&mut parameters)])?;
    succeeded("made a ring")
}
