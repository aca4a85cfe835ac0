//! open(2) of another module's data directory by its path on the host. The mounts answer; the other's uid and Landlock
//! would too.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::{list, read};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("read-other-data", "read another module's data", Layer::Mounts, Errno::ENOENT, run);

fn run(context: &Context) -> Tried {
    if context.other_data.is_dir() { list(&context.other_data) } else { read(&context.other_data) }
}
