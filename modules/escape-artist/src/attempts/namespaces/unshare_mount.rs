//! unshare(2) with CLONE_NEWNS: the first step of rebuilding the file tree. The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-mount", "make a mount namespace", |_| make_namespace(CloneFlags::CLONE_NEWNS));
