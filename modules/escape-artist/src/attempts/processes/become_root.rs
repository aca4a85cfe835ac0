//! setuid(2). The filter answers; its user namespace has no root.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("become-root", "become root", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)?;
    succeeded("it is root")
}
