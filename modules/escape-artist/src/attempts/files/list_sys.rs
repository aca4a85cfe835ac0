//! sysfs tells of the hardware and steers it; cgroups and uevent helpers are below it. The mounts answer: there is
//! none.

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-sys", "list /sys", Layer::Mounts, Errno::ENOENT, |_| list("/sys"));
