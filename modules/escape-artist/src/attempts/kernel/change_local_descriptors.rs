//! modify_ldt(2): segments of its own. When fork could not copy them, they were used after they were freed
//! (CVE-2017-17053). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{call, into};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "change-local-descriptors",
    "reach its local descriptor table",
    Layer::Seccomp,
    Errno::EPERM,
    run,
)
.needing(Needs::Call("modify_ldt"));

fn run(_: &Context) -> Tried {
    let mut table = [0_u8; 16];
    let read_it = 0;
    let bytes = call(libc::SYS_modify_ldt, &[read_it, into(&mut table), 16])?;
    succeeded(format!("it has {bytes} bytes"))
}
