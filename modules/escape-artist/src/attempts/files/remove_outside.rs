//! unlink(2) of a file of the host's. The mounts answer.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("remove-outside", "remove a file of the operator's", Layer::Mounts, Errno::ENOENT, run);

fn run(context: &Context) -> Tried {
    fs::remove_file(&context.operator_file)?;
    succeeded("removed it")
}
