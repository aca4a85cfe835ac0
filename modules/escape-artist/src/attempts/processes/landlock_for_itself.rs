//! landlock_create_ruleset(2): harmless, since rules can only be added; and sixteen layers are the most there can be.
//! The filter answers as a kernel that does not have it.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "landlock-for-itself",
    "confine itself further (Landlock)",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
)
.needing(Needs::Call("landlock_create_ruleset"));

fn run(_: &Context) -> Tried {
    let only_the_version = 1;
    let version = call(libc::SYS_landlock_create_ruleset, &[0, 0, only_the_version])?;
    succeeded(format!("the kernel has version {version}"))
}
