//! ptrace(2) of another process: all that it may do, and its descriptors (CVE-2016-9962, runc). The filter answers, and
//! kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("trace-other", "trace another process", run);

fn run(context: &Context) -> Tried {
    nix::sys::ptrace::attach(context.victim)?;
    nix::sys::wait::waitpid(context.victim, None)?;
    nix::sys::ptrace::detach(context.victim, None)?;
    succeeded("traced it")
}
