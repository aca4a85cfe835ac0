//! readdir of the root: what else is mounted there? Landlock answers; where the kernel has none, it can be listed and
//! holds nothing but the data directory.

use crate::attempt::{Attempt, Errno, Expected, Layer};
use crate::steps::list;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-root", "list /", Layer::Landlock, Errno::EACCES, |_| list("/"))
        .without("landlock", Expected::Contained);
