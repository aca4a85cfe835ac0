//! posix_spawn(3) as the standard library does it. The filter answers.

use std::process::Command;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("spawn-process", "start another process", Layer::Seccomp, Errno::EPERM, run);

/// Without redirections: those would fail before the process is made, for want of /dev/null.
fn run(_: &Context) -> Tried {
    let status = Command::new("/proc/self/exe").arg("--list").status()?;
    succeeded(format!("a process ran and ended with {status}"))
}
