//! chroot(2): the first half of the way out of a chroot. The filter answers; it has no CAP_SYS_CHROOT either.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("chroot", "change its root directory", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    nix::unistd::chroot(&context.data_dir)?;
    succeeded("changed it")
}
