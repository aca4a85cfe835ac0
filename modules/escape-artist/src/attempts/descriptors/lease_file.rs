//! fcntl(2) F_SETLEASE holds up whoever opens the file from outside, and tells of it. The filter answers.

use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{number, own_file};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("lease-file", "hold up who opens a file of its own", Layer::Seccomp, Errno::EPERM, run);

fn run(context: &Context) -> Tried {
    let file = File::open(own_file(context, "leased")?)?;
    call(libc::SYS_fcntl, &[number(&file), libc::F_SETLEASE.into(), libc::F_RDLCK.into()])?;
    succeeded("has a lease on it")
}
