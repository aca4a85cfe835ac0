//! perf_event_open(2): watches the processor (CVE-2013-2094 made root of it). The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("perf-event", "watch the processor (perf_event_open)", run)
        .needing(Needs::Call("perf_event_open"));

/// struct perf_event_attr in its first size: a software clock.
fn run(_: &Context) -> Tried {
    let (software, bytes) = (1_u32, 64_u32);
    let mut attributes = [0_u32; 16];
    attributes[0] = software;
    attributes[1] = bytes;
    let (itself, any_processor) = (0, -1);
    call(libc::SYS_perf_event_open, &[at(&attributes), itself, any_processor, -1])?;
    succeeded("made a counter")
}
