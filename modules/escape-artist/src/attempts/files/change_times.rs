//! utimensat(2) makes a changed file look old to a backup or a check. The filter answers.

use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("change-times", "change the times of a file", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    File::open(own_file(context, "times")?)?.set_modified(std::time::UNIX_EPOCH)?;
    succeeded("it looks as old as the clock allows")
}
