//! sysinfo(2) tells of the host's memory and load: a side channel. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "host-load",
    "learn the host's memory and load (sysinfo)",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(_: &Context) -> Tried {
    let host = nix::sys::sysinfo::sysinfo()?;
    succeeded(format!("the host has {} bytes of memory", host.ram_total()))
}
