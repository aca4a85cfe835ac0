//! unshare(2) with CLONE_NEWUSER: in it an unprivileged process has every Linux capability and reaches far more of the
//! kernel (CVE-2022-0185, CVE-2022-34918, CVE-2023-32233 and many others). The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-user", "make a user namespace", |_| make_namespace(CloneFlags::CLONE_NEWUSER));
