//! mmap(2) of a file of its own with PROT_EXEC: code that it wrote, loaded like a library. The filter answers; the
//! directory is mounted noexec.

use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{number, own_program};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "map-own-file-to-execute",
    "map a file it wrote to execute it",
    Layer::Seccomp,
    Errno::EACCES,
    run,
);

const PAGE_BYTES: i64 = 4096;

fn run(context: &Context) -> Tried {
    let file = File::open(own_program(context)?)?;
    let access = libc::PROT_READ | libc::PROT_EXEC;
    call(libc::SYS_mmap, &[0, PAGE_BYTES, access.into(), libc::MAP_PRIVATE.into(), number(&file)])?;
    succeeded("what it wrote can be executed")
}
