//! stat(2) tells that a file exists, which Landlock does not hide. The mounts answer: the path has no meaning inside.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "look-at-host-file",
    "learn that a file of the operator's exists",
    Layer::Mounts,
    Errno::ENOENT,
    run,
);

fn run(context: &Context) -> Tried {
    let metadata = fs::metadata(&context.operator_file)?;
    succeeded(format!("it has {} bytes", metadata.len()))
}
