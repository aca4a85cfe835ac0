//! pipe2(2) with O_DIRECT: each byte of its log would cost the reader a read. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("packet-pipe", "make a pipe of packets", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::DIRECT)?;
    succeeded("made it")
}
