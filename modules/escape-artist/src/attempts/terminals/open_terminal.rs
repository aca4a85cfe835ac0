//! posix_openpt(3): a terminal of its own, to be handed to somebody. The mounts answer: there is no /dev.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("open-terminal", "make a terminal", Layer::Mounts, Errno::ENOENT, run)
        .needing(Needs::Path("/dev/ptmx"));

fn run(_: &Context) -> Tried {
    rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)?;
    succeeded("made it")
}
