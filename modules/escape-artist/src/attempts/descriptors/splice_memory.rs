//! vmsplice(2) of its own memory into a pipe: pages that change after they were checked. It once took any address
//! (CVE-2008-0600). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};
use crate::steps::number;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "splice-memory",
    "put a page of its memory into a pipe",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let (_out, pipe) = nix::unistd::pipe()?;
    let page = [0_u8; 64];
    let part = [at(&page), 64];
    call(libc::SYS_vmsplice, &[number(&pipe), at(&part), 1])?;
    succeeded("it lies there, and can still be changed")
}
