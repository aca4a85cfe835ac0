//! init_module(2): code in the kernel, from memory. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Needs, Tried};
use crate::raw::{at, call, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("load-module", "load a module into the kernel (init_module)", run)
        .needing(Needs::Call("init_module"));

fn run(_: &Context) -> Tried {
    let no_module = [0_u8; 64];
    let loaded = call(libc::SYS_init_module, &[at(&no_module), 64, at(c"".to_bytes_with_nul())]);
    reached(loaded, Errno::ENOEXEC)
}
