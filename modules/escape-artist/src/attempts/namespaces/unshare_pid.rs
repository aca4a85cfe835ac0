//! unshare(2) with CLONE_NEWPID: its processes would not be in the one that is killed as a whole. The filter answers,
//! and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-pid", "make a pid namespace", |_| make_namespace(CloneFlags::CLONE_NEWPID));
