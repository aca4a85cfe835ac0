//! pkey_mprotect(2): the same by a call that filters written for mprotect(2) forget. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{PAGE_BYTES, written_page};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "memory-key-then-execute",
    "make written memory executable by pkey_mprotect",
    Layer::Seccomp,
    Errno::EACCES,
    run,
);

fn run(_: &Context) -> Tried {
    let page = written_page()?;
    let (executable, no_key) = (libc::PROT_READ | libc::PROT_EXEC, -1);
    call(libc::SYS_pkey_mprotect, &[page, PAGE_BYTES, executable.into(), no_key])?;
    succeeded("what it wrote can be executed")
}
