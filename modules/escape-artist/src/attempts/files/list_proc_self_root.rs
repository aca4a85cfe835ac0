//! /proc/<pid>/root is a magic link to the root of a process, past chroot and mounts. The mounts answer: there is no
//! /proc.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-proc-self-root", "list /proc/self/root", Layer::Mounts, Errno::ENOENT, |_| {
        list("/proc/self/root")
    });
