//! setns(2) into the pid namespace of another process: the processes of the host, to be seen and signalled. The filter
//! answers, and kills.

use nix::sched::CloneFlags;

use crate::attempt::Attempt;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("join-pid", "join the pid namespace of another process", |context| {
        join_namespace(context, "pid", CloneFlags::CLONE_NEWPID)
    });
