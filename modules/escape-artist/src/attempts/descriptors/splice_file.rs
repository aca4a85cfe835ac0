//! splice(2) of a file's page into a pipe, where Dirty Pipe wrote to it (CVE-2022-0847). The filter answers as a
//! kernel that does not have it.

use std::fs;
use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{number, own_file};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("splice-file", "put a page of a file into a pipe", Layer::Seccomp, Errno::ENOSYS, run);

fn run(context: &Context) -> Tried {
    let path = own_file(context, "spliced")?;
    fs::write(&path, b"read-only")?;
    let (file, (_out, pipe)) = (File::open(path)?, nix::unistd::pipe()?);
    let bytes = call(libc::SYS_splice, &[number(&file), 0, number(&pipe), 0, 1, 0])?;
    succeeded(format!("{bytes} byte of it lies in the pipe"))
}
