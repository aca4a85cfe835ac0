//! rename(2) across the boundary of its directory. The mounts answer: it is a mount of its own, and Landlock lets
//! nothing be moved out of it.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("rename-outside", "move a file out of its directory", Layer::Mounts, Errno::EXDEV, run);

fn run(context: &Context) -> Tried {
    let escaped = context.outside.join("escape-artist-was-here");
    fs::rename(own_file(context, "to-be-moved")?, &escaped)?;
    succeeded(format!("it is now {}", escaped.display()))
}
