//! mount_setattr(2) clears read-only and noexec of whole trees. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::c_path;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("set-mount-attributes", "change the flags of its mounts (mount_setattr)", run)
        .needing(Needs::Call("mount_setattr"));

/// struct mount_attr of mount_setattr(2): set, clear, propagation, userns_fd.
fn run(context: &Context) -> Tried {
    const NOEXEC: u64 = 0x8;
    let (path, attributes) = (c_path(&context.mount_point)?, [0, NOEXEC, 0, 0]);
    let place = at(path.as_bytes_with_nul());
    call(libc::SYS_mount_setattr, &[libc::AT_FDCWD.into(), place, 0, at(&attributes), 32])?;
    succeeded("cleared noexec")
}
