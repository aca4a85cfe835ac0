//! userfaultfd(2) stops a page fault half way, which gives an exploit of the kernel all the time it needs
//! (CVE-2016-6187 and many more). The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("user-fault", "stop page faults half way (userfaultfd)", run)
        .needing(Needs::Call("userfaultfd"));

fn run(_: &Context) -> Tried {
    call(libc::SYS_userfaultfd, &[libc::O_CLOEXEC.into()])?;
    succeeded("may stop them")
}
