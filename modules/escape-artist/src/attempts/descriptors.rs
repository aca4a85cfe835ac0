//! Using descriptors that were not given to it, and what the given ones can do.

use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::files::list;
use crate::attempt::{Attempt, Expected, Met, Tried, succeeded};
use crate::context::Context;

/// The one descriptor that a module has beside the standard three: its connection to the core.
const CONNECTION: i32 = 3;
/// Kernel memory that a pipe is asked to hold.
const PIPE_BYTES: i32 = 1 << 20;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::expecting(
        Expected::Nothing,
        "inherited-descriptors",
        "find descriptors that were left open for it",
        inherited,
    ),
    Attempt::refused("list-descriptors", "list /proc/self/fd", Errno::ENOENT, |_| list("/proc/self/fd")),
    Attempt::refused("grow-pipe", "take kernel memory for a pipe", Errno::EPERM, grow_pipe),
    Attempt::refused(
        "other-ioctl",
        "make another ioctl than the allowed ones (FIONREAD)",
        Errno::EPERM,
        other_ioctl,
    ),
];

fn inherited(context: &Context) -> Tried {
    let unexpected: Vec<_> = context.inherited.0.iter().filter(|number| **number != CONNECTION).collect();
    if unexpected.is_empty() {
        return Ok(Met::Nothing("none but its connection and the standard three".to_owned()));
    }
    succeeded(format!("open at its start: {unexpected:?}"))
}

fn grow_pipe(_: &Context) -> Tried {
    let (end, _other) = pipe2(OFlag::O_CLOEXEC)?;
    let bytes = fcntl(end, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))?;
    succeeded(format!("it holds {bytes} bytes"))
}

fn other_ioctl(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    rustix::io::ioctl_fionread(&end)?;
    succeeded("asked how much there is to read")
}
