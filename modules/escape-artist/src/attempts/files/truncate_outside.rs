//! truncate(2) by path, which Landlock did not cover before Linux 6.2. The filter answers: a module cuts files that it
//! has open only.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("truncate-outside", "cut a file of the operator's", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    nix::unistd::truncate(&context.operator_file, 1)?;
    succeeded("cut it to one byte")
}
