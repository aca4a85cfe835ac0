//! reboot(2). The filter answers, and kills.

use rustix::thread::CapabilitySet;

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("reboot", "restart the machine", run)
    .needing(Needs::LinuxCapability("CAP_SYS_BOOT", CapabilitySet::SYS_BOOT));

/// Without the numbers that say that it is meant.
fn run(_: &Context) -> Tried {
    reached(call(libc::SYS_reboot, &[]), Errno::EINVAL)
}
