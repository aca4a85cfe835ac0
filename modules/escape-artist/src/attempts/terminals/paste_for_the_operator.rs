//! ioctl(2) TIOCLINUX on a virtual console pastes a selection, which the shell reads (CVE-2023-28100, Flatpak). The
//! filter answers; its descriptors are pipes and a socket.

use std::fs::File;
use std::os::fd::OwnedFd;

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{call, into};
use crate::steps::{number, own_log};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "paste-for-the-operator",
    "paste into a console (TIOCLINUX)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
)
.needing(Needs::Path("/dev/tty0"));

/// The member that tells the state of the shift keys, on the console where it can be opened, else on its log.
fn run(_: &Context) -> Tried {
    const TIOCLINUX: i64 = 0x541c;
    let console = File::open("/dev/tty0").map(OwnedFd::from).or_else(|_none| own_log())?;
    let mut shift_state = [6_u8; 4];
    call(libc::SYS_ioctl, &[number(&console), TIOCLINUX, into(&mut shift_state)])?;
    succeeded("the console answers")
}
