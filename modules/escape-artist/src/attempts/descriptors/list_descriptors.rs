//! /proc/self/fd tells what descriptors are. The mounts answer: there is no /proc.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-descriptors", "list /proc/self/fd", Layer::Mounts, Errno::ENOENT, |_| {
        list("/proc/self/fd")
    });
