//! move_mount(2) attaches or moves a mount by descriptors. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{at, call, reached};
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("move-mount", "move a mount (move_mount)", run);

fn run(context: &Context) -> Tried {
    let directory = own_directory(context)?;
    let (from, empty) = (number(&directory), at(c"".to_bytes_with_nul()));
    let (from_empty_path, to_empty_path) = (0x4, 0x40);
    let moved = call(libc::SYS_move_mount, &[from, empty, from, empty, from_empty_path | to_empty_path]);
    reached(moved, Errno::EINVAL)
}
