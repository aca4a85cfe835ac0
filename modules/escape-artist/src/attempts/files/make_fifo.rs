//! A named pipe in its own directory holds up whoever opens it from outside: a backup, or the core. The filter
//! answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("make-fifo", "make a named pipe", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::stat::{Mode, SFlag, mknod};

fn run(context: &Context) -> Tried {
    mknod(&context.data_dir.join("fifo"), SFlag::S_IFIFO, Mode::S_IRUSR, 0)?;
    succeeded("made a named pipe")
}
