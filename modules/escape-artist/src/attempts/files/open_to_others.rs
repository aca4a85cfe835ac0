//! chmod(2) of its directory to 0777, so that an accomplice on the host can run what is in it, or plant links there
//! (directories were open in CVE-2021-41103, containerd; CVE-2021-41091, Docker). The filter answers.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "open-to-others",
    "let every user write to its directory",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    fs::set_permissions(&context.data_dir, Permissions::from_mode(0o777))?;
    succeeded("any user can plant a link in it")
}
