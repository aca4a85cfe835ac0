//! The way out of a chroot, as old as chroot(2): keep the working directory outside of a second root, and climb. The
//! filter answers; its root is that of its mounts, which cannot be climbed out of.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("chroot-and-climb", "leave its root by a second one", Layer::Seccomp, Errno::EPERM, run);

/// More levels up than any data directory is deep.
const LEVELS_UP: usize = 32;

fn run(context: &Context) -> Tried {
    let below = context.data_dir.join("second-root");
    fs::create_dir_all(&below)?;
    nix::unistd::chroot(&below)?;
    // The working directory is not below the new root, so nothing stops the climb at it.
    list("../".repeat(LEVELS_UP))
}
