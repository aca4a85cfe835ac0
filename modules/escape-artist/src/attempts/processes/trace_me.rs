//! ptrace(2) PTRACE_TRACEME: its tracer could make its calls for it; before Linux 4.8 past the filter (CVE-2017-5206,
//! Firejail). Later it kept the rights of the wrong process (CVE-2019-13272). The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("trace-me", "be traced by its parent", run);

fn run(_: &Context) -> Tried {
    nix::sys::ptrace::traceme()?;
    succeeded("its parent traces it")
}
