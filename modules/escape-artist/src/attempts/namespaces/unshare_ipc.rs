//! unshare(2) with CLONE_NEWIPC: System V objects and message queues of its own. The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::make_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("unshare-ipc", "make an ipc namespace", |_| make_namespace(CloneFlags::CLONE_NEWIPC));
