//! chown(2) of a file of its own to root, which Landlock does not cover. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("change-owner", "give a file of its own to root", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    std::os::unix::fs::chown(own_file(context, "change-owner")?, Some(0), Some(0))?;
    succeeded("root owns it")
}
