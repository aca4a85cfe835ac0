//! setgroups(2): where a group is denied something, leaving it is a way in (CVE-2014-8989). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("drop-groups", "change its groups", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    rustix::thread::set_thread_groups(&[])?;
    succeeded("it has no groups any more")
}
