//! /proc/self/mem writes to memory that is mapped read-only or executable, the file behind it included in Dirty COW
//! (CVE-2016-5195). The mounts answer: there is no /proc.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::open_to_write;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("write-own-memory", "write to its own code", Layer::Mounts, Errno::ENOENT, |_| {
        open_to_write("/proc/self/mem")
    });
