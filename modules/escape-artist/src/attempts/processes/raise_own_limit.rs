//! prlimit(2) of a hard limit of its own, upwards. The kernel answers: it has no CAP_SYS_RESOURCE.

use rustix::thread::CapabilitySet;

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "raise-own-limit",
    "raise a hard limit of its own",
    Layer::LinuxCapabilities,
    Errno::EPERM,
    run,
)
.needing(Needs::LinuxCapability("CAP_SYS_RESOURCE", CapabilitySet::SYS_RESOURCE));

use rustix::process::{Resource, Rlimit, setrlimit};

/// Most hard limits of a host are infinite, so the way up begins with a step down.
fn run(_: &Context) -> Tried {
    let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Core, limit(1))?;
    setrlimit(Resource::Core, limit(2))?;
    succeeded("raised its limit on core dumps")
}
