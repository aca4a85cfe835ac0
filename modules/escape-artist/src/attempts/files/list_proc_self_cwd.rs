//! /proc/self/cwd leads to a directory of the host that was left open (CVE-2024-21626, runc). The mounts answer: there
//! is no /proc, and the working directory is inside.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-proc-self-cwd", "list /proc/self/cwd", Layer::Mounts, Errno::ENOENT, |_| {
        list("/proc/self/cwd")
    });
