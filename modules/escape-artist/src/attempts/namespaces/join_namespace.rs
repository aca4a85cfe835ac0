//! setns(2) into the network namespace of another process. The filter answers, and kills; there is no /proc to find
//! one in.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-namespace", "join the net namespace of another process", |context| {
        join_namespace(context, "net", CloneFlags::CLONE_NEWNET)
    });
