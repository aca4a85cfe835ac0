//! setxattr(2): attributes of the namespace `trusted` carried file capabilities out of an overlay (CVE-2021-3493,
//! CVE-2023-2640, Ubuntu's OverlayFS). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("set-attribute", "set an extended attribute", Layer::Seccomp, Errno::EPERM, run);

use rustix::fs::{XattrFlags, setxattr};

fn run(context: &Context) -> Tried {
    setxattr(own_file(context, "attribute")?, "trusted.escape", b"artist", XattrFlags::empty())?;
    succeeded("set trusted.escape")
}
