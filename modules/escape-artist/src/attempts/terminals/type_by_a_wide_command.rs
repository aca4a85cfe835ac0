//! ioctl(2) TIOCSTI with bits above the 32nd, which the kernel ignores and a filter that compared all 64 did not
//! (CVE-2019-7303, snapd; CVE-2019-10063, Flatpak). The filter answers: it looks at what the kernel looks at.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::{self, number, own_log};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "type-by-a-wide-command",
    "type into a terminal by a command with more bits",
    Layer::Seccomp,
    Errno::EPERM,
    run,
)
.needing(Needs::Path("/dev/ptmx"));

const TIOCSTI: i64 = 0x5412;
/// The kernel takes the lower half of the argument as the command, a filter may compare all of it.
const MORE_BITS: i64 = 1 << 32;

/// On a terminal of its own where one is to be had, else on its log: the command is what counts.
fn run(_: &Context) -> Tried {
    let terminal = steps::terminal().or_else(|_none| own_log())?;
    call(libc::SYS_ioctl, &[number(&terminal), TIOCSTI | MORE_BITS, at(b"x")])?;
    succeeded("typed a character")
}
