//! syncfs(2) writes back everything on a disk, and everybody waits. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_directory;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "sync-host",
    "make the host write back a file system",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    nix::unistd::syncfs(own_directory(context)?)?;
    succeeded("wrote back all of the host's file system")
}
