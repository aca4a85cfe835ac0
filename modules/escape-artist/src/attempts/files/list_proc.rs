//! procfs tells of every process and steers the kernel; most ways out of containers of the years 2016 to 2025 went
//! through it. The mounts answer: there is none.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-proc", "list /proc", Layer::Mounts, Errno::ENOENT, |_| list("/proc"));
