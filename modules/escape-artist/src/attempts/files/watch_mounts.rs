//! fanotify(7) watches whole mounts and is given descriptors of the files of others. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "watch-mounts",
    "watch a whole file system with fanotify",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags};

fn run(_: &Context) -> Tried {
    Fanotify::init(InitFlags::FAN_CLASS_NOTIF | InitFlags::FAN_CLOEXEC, EventFFlags::O_RDONLY)?;
    succeeded("may watch any mount")
}
