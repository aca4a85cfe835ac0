//! renameat2(2) with RENAME_WHITEOUT leaves a character device behind, without mknod(2). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Refused, Tried};
use crate::raw::reached;
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("make-whiteout", "make a device by a rename", Layer::Seccomp, Errno::EPERM, run);

use rustix::fs::{CWD, RenameFlags, renameat_with};

fn run(context: &Context) -> Tried {
    let to = context.data_dir.join("renamed");
    let renamed = renameat_with(CWD, own_file(context, "whiteout")?, CWD, to, RenameFlags::WHITEOUT);
    reached(renamed.map(|()| 0).map_err(Refused::from), Errno::EINVAL)
}
