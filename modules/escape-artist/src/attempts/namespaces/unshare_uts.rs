//! unshare(2) with CLONE_NEWUTS: the host's name, hooks included. The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-uts", "make a uts namespace", |_| make_namespace(CloneFlags::CLONE_NEWUTS));
