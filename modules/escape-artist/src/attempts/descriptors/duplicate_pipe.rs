//! tee(2) shares pages between pipes. The filter answers.

use std::io::Write;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::number;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("duplicate-pipe", "share pages between two pipes", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let ((from, mut full), (_out, to)) = (std::io::pipe()?, nix::unistd::pipe()?);
    full.write_all(b"!")?;
    call(libc::SYS_tee, &[number(&from), number(&to), 1])?;
    succeeded("both hold the same page")
}
