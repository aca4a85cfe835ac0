//! setns(2) into the mount namespace of another process: the file tree of the host (nsenter, by which whoever reaches
//! PID 1 of the host leaves a container). The filter answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-mount", "join the mount namespace of another process", |context| {
        join_namespace(context, "mnt", CloneFlags::CLONE_NEWNS)
    });
