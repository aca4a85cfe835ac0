//! setxattr(2): through an overlay it gave file capabilities to files of the host (CVE-2021-3493 and CVE-2023-2640, on
//! Ubuntu's kernels). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("set-attribute", "set an extended attribute", Layer::Seccomp, Errno::EPERM, run);

use rustix::fs::{XattrFlags, setxattr};

fn run(context: &Context) -> Tried {
    setxattr(own_file(context, "attribute")?, "trusted.escape", b"artist", XattrFlags::empty())?;
    succeeded("set trusted.escape")
}
