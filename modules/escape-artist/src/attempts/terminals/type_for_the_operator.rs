//! ioctl(2) TIOCSTI types what the operator's shell will run (CVE-2017-5226, bubblewrap; CVE-2019-10063, Flatpak;
//! CVE-2016-7545, SELinux' sandbox). The filter answers; its descriptors are pipes and a socket.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::{self, number, own_log};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "type-for-the-operator",
    "type into a terminal (TIOCSTI)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
)
.needing(Needs::Path("/dev/ptmx"));

const TIOCSTI: i64 = 0x5412;

/// On a terminal of its own where one is to be had, else on its log: the command is what counts.
fn run(_: &Context) -> Tried {
    let terminal = steps::terminal().or_else(|_none| own_log())?;
    call(libc::SYS_ioctl, &[number(&terminal), TIOCSTI, at(b"x")])?;
    succeeded("typed a character")
}
