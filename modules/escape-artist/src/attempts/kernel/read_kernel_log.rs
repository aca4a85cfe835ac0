//! syslog(2): the kernel's log holds addresses, and what other containers did. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("read-kernel-log", "read the kernel's log", run);

fn run(_: &Context) -> Tried {
    let size_of_the_buffer = 10;
    let bytes = call(libc::SYS_syslog, &[size_of_the_buffer])?;
    succeeded(format!("it has {bytes} bytes"))
}
