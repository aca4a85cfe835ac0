//! open(2) of a file that every user may read: the first thing that anybody looks for. The mounts answer: its root
//! holds nothing but its data directory.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("read-passwd", "read /etc/passwd", Layer::Mounts, Errno::ENOENT, |_| {
        read("/etc/passwd")
    });
