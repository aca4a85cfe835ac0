//! clone3(2) with CLONE_NEWUSER: its flags lie behind a pointer, where no filter sees them, so that filters written
//! before 2019 let it through. The filter answers as a kernel that does not have it.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::raw::at;
use crate::steps::start_process;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "clone3-user",
    "start a process in a user namespace by clone3",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
);

/// clone_args up to `cgroup`, of clone(2).
fn run(_: &Context) -> Tried {
    const FLAGS: usize = 0;
    const EXIT_SIGNAL: usize = 4;
    let mut arguments = [0_i64; 11];
    arguments[FLAGS] = libc::CLONE_NEWUSER.into();
    arguments[EXIT_SIGNAL] = libc::SIGCHLD.into();
    start_process(libc::SYS_clone3, &[at(&arguments), 88])
}
