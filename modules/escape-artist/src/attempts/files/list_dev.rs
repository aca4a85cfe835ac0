//! Devices: disks, memory, terminals, the kernel's log. The mounts answer: there are none, not even /dev/null.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-dev", "list /dev", Layer::Mounts, Errno::ENOENT, |_| list("/dev"));
