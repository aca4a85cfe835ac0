//! fspick(2) takes hold of the file system behind a path to change its options. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::c_path;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("pick-mount", "take hold of a mounted file system (fspick)", run);

fn run(context: &Context) -> Tried {
    let path = c_path(&context.mount_point)?;
    call(libc::SYS_fspick, &[libc::AT_FDCWD.into(), at(path.as_bytes_with_nul())])?;
    succeeded("holds it")
}
