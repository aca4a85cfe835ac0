//! mknod(2) of a device in its own directory: the host's disk, for who has CAP_MKNOD as containers long had (LXC,
//! Docker). The filter answers; the directory is mounted nodev as well.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("make-device", "make a device", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// The numbers of /dev/null: a device that harms nobody.
const NULL_DEVICE: (u64, u64) = (1, 3);

fn run(context: &Context) -> Tried {
    let (major, minor) = NULL_DEVICE;
    mknod(&context.data_dir.join("device"), SFlag::S_IFCHR, Mode::S_IRUSR, makedev(major, minor))?;
    succeeded("made a character device")
}
