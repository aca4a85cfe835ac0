//! /proc/self/exe is the program as the host has it, and writing to it there changes what the host runs next
//! (CVE-2019-5736, runc). The mounts answer: there is no /proc; and the program is a sealed memory file.

use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "hold-own-program",
    "open its own program to overwrite it",
    Layer::Mounts,
    Errno::ENOENT,
    run,
);

fn run(_: &Context) -> Tried {
    let program = File::open("/proc/self/exe")?;
    succeeded(format!("holds {} bytes of it", program.metadata()?.len()))
}
