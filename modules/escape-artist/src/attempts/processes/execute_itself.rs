//! execve(2) of /proc/self/exe: the program once more, which a hostile image can direct (CVE-2019-5736, runc). The
//! filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::executed_arguments;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("execute-itself", "execute /proc/self/exe", Layer::Seccomp, Errno::EPERM, run);

/// Only returns if it is refused; the new image of this program reports that it ran.
fn run(context: &Context) -> Tried {
    let arguments = executed_arguments("execute-itself", context)?;
    match nix::unistd::execv(c"/proc/self/exe", &arguments)? {}
}
