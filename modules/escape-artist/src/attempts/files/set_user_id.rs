//! chmod(2) with set-user-ID: another user of the host who runs the file becomes the module's user (CVE-2021-41103,
//! containerd). The filter answers; inside, the directory is mounted nosuid.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("set-user-id", "make a file of its own set-user-ID", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    fs::set_permissions(own_file(context, "set-user-id")?, Permissions::from_mode(0o4755))?;
    succeeded("whoever runs it becomes its owner")
}
