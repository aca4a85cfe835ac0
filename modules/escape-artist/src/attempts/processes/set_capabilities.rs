//! capset(2). The filter answers; its bounding set is empty.

use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("set-capabilities", "set its Linux capabilities", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let wanted = CapabilitySet::SYS_ADMIN;
    let sets = CapabilitySets { effective: wanted, permitted: wanted, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    succeeded("it has CAP_SYS_ADMIN")
}
