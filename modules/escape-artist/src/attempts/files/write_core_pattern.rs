//! /proc/sys/kernel/core_pattern names a program that the kernel runs as root on the host: where masked paths were to
//! be escaped from, this was the goal (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, runc). The mounts answer: there
//! is no /proc.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::open_to_write;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "write-core-pattern",
    "name the program that handles core dumps",
    Layer::Mounts,
    Errno::ENOENT,
    |_| open_to_write("/proc/sys/kernel/core_pattern"),
);
