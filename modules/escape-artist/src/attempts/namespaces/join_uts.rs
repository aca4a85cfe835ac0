//! setns(2) into the uts namespace of another process: the host's name. The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-uts", "join the uts namespace of another process", |context| {
        join_namespace(context, "uts", CloneFlags::CLONE_NEWUTS)
    });
