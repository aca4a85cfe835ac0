//! openat2(2), whose flags lie behind a pointer where no filter sees them. The filter answers as a kernel that does
//! not have it.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("open-with-openat2", "read /etc/passwd by openat2", Layer::Seccomp, Errno::ENOSYS, run);

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

fn run(_: &Context) -> Tried {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat2(CWD, "/etc/passwd", flags, Mode::empty(), ResolveFlags::empty())?;
    succeeded("opened it")
}
