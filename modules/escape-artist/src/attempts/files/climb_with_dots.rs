//! Path traversal: more `..` than its directory is deep. The mounts answer: `..` of a root is the root.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "climb-with-dots",
    "read /etc/passwd by .. from its directory",
    Layer::Mounts,
    Errno::ENOENT,
    run,
);

/// More levels up than any data directory is deep.
const LEVELS_UP: usize = 32;

fn run(context: &Context) -> Tried {
    let mut path = context.data_dir.clone();
    path.extend(std::iter::repeat_n("..", LEVELS_UP));
    path.push("etc/passwd");
    read(path)
}
