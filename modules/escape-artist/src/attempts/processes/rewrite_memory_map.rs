//! prctl(2) PR_SET_MM changes what the kernel believes of its memory, its program and its arguments included. The
//! filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "rewrite-memory-map",
    "change what the kernel knows of its memory",
    Layer::Seccomp,
    Errno::EPERM,
    run,
)
.needing(Needs::Path("/proc/sys/kernel/ns_last_pid"));

/// The harmless member of the family: it asks for the size of what could be set.
fn run(_: &Context) -> Tried {
    const PR_SET_MM_MAP_SIZE: i64 = 15;
    let mut size = [0_u32];
    call(libc::SYS_prctl, &[libc::PR_SET_MM.into(), PR_SET_MM_MAP_SIZE, into(&mut size)])?;
    succeeded(format!("{} bytes could be set", size[0]))
}
