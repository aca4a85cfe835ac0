//! setfsuid(2): another user for file accesses alone, as file servers use it. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("become-root-for-files", "access files as root", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let before = call(libc::SYS_setfsuid, &[0])?;
    succeeded(format!("it was user {before} for files before"))
}
