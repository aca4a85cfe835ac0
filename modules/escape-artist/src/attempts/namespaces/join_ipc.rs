//! setns(2) into the ipc namespace of another process: shared memory and queues of others. The filter answers, and
//! kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-ipc", "join the ipc namespace of another process", |context| {
        join_namespace(context, "ipc", CloneFlags::CLONE_NEWIPC)
    });
