//! prlimit(2) of another process: a limit of 0 ends it. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::raw_pid;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("limit-other", "change a limit of another process", Layer::Seccomp, Errno::EPERM, run);

use rustix::process::{Resource, getrlimit, prlimit};

fn run(context: &Context) -> Tried {
    prlimit(Some(raw_pid(context.victim)?), Resource::Core, getrlimit(Resource::Core))?;
    succeeded("set its limit on core dumps")
}
