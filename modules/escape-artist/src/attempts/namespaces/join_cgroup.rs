//! setns(2) into the cgroup namespace of another process: the host's view of the cgroup tree. The filter answers, and
//! kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-cgroup", "join the cgroup namespace of another process", |context| {
        join_namespace(context, "cgroup", CloneFlags::CLONE_NEWCGROUP)
    });
