//! mprotect(2) of written memory to executable: shellcode. The filter answers; PR_SET_MDWE would too.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{PAGE_BYTES, written_page};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "memory-write-then-execute",
    "make written memory executable",
    Layer::Seccomp,
    Errno::EACCES,
    run,
);

fn run(_: &Context) -> Tried {
    let page = written_page()?;
    call(libc::SYS_mprotect, &[page, PAGE_BYTES, (libc::PROT_READ | libc::PROT_EXEC).into()])?;
    succeeded("what it wrote can be executed")
}
