//! kexec_load(2): another kernel. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("load-kernel", "replace the kernel (kexec_load)", run).needing(Needs::Call("kexec_load"));

fn run(_: &Context) -> Tried {
    let no_such_flags = 0x8000;
    reached(call(libc::SYS_kexec_load, &[0, 0, 0, no_such_flags]), Errno::EINVAL)
}
