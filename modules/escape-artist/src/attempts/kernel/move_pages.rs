//! move_pages(2) tells where in the machine its memory lies, and moves it. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{at, call, into};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("move-pages", "learn where its memory lies", Layer::Seccomp, Errno::EPERM, run)
        .needing(Needs::Call("move_pages"));

fn run(_: &Context) -> Tried {
    let page = [0_u8; 8];
    let (pages, mut status) = ([at(&page)], [0_i32]);
    call(libc::SYS_move_pages, &[0, 1, at(&pages), 0, into(&mut status), 0])?;
    succeeded(format!("on node {}", status[0]))
}
