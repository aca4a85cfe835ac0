//! /proc/self/fd/<n> opens anew what a descriptor holds, with more rights than the descriptor has: a magic link. The
//! mounts answer: there is no /proc.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::{open_to_write, own_file};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("reopen-descriptor", "reopen a descriptor to write", Layer::Mounts, Errno::ENOENT, run);

fn run(context: &Context) -> Tried {
    let only_read = File::open(own_file(context, "reopened")?)?;
    open_to_write(&format!("/proc/self/fd/{}", only_read.as_raw_fd()))
}
