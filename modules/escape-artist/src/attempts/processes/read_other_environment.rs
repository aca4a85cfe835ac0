//! /proc/<pid>/environ of another process holds passwords; /proc/<pid>/mem, fd, root and maps stand beside it. The
//! mounts answer: there is no /proc.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "read-other-environment",
    "read the environment of another process",
    Layer::Mounts,
    Errno::ENOENT,
    |context| read(format!("/proc/{}/environ", context.victim)),
);
