//! setns(2) into a user namespace, where it would have Linux capabilities over everything in it. The filter answers,
//! and kills.

use nix::sched::CloneFlags;

use crate::attempt::{Attempt, Context, Errno, Refused, Tried};
use crate::raw::reached;
use crate::steps::join_namespace;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("join-user", "join a user namespace", run);

/// Whoever is in the namespace already is told so by the kernel itself.
fn run(context: &Context) -> Tried {
    match join_namespace(context, "user", CloneFlags::CLONE_NEWUSER) {
        Err(Refused::Errno(errno)) => reached(Err(errno.into()), Errno::EINVAL),
        other => other,
    }
}
