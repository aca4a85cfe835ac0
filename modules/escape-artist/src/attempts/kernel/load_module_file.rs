//! finit_module(2): code in the kernel, from a file. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{at, call, reached};
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("load-module-file", "load a module into the kernel (finit_module)", run)
        .needing(Needs::Call("finit_module"));

fn run(context: &Context) -> Tried {
    let (directory, no_such_flags) = (own_directory(context)?, 0x4000_0000);
    let nothing = at(c"".to_bytes_with_nul());
    reached(call(libc::SYS_finit_module, &[number(&directory), nothing, no_such_flags]), Errno::EINVAL)
}
