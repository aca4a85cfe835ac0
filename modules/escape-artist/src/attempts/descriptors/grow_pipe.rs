//! fcntl(2) F_SETPIPE_SZ: kernel memory for a pipe. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("grow-pipe", "take kernel memory for a pipe", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let (end, _other) = nix::unistd::pipe()?;
    let bytes = rustix::pipe::fcntl_setpipe_size(&end, 1 << 20)?;
    succeeded(format!("it holds {bytes} bytes"))
}
