//! kexec_file_load(2): another kernel, from a file. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{call, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("load-kernel-file", "replace the kernel (kexec_file_load)", run)
        .needing(Needs::Call("kexec_file_load"));

fn run(_: &Context) -> Tried {
    let no_such_flags = 0x4000_0000;
    reached(call(libc::SYS_kexec_file_load, &[-1, -1, 0, 0, no_such_flags]), Errno::EINVAL)
}
