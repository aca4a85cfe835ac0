//! process_vm_writev(2) to another process. The filter answers, and kills.

use std::io::IoSlice;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::unconfined::SECRET;

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("write-memory", "write to the memory of another process", run);

use nix::sys::uio::{RemoteIoVec, process_vm_writev};

fn run(context: &Context) -> Tried {
    let secret = [RemoteIoVec { base: context.victim_address, len: SECRET.len() }];
    let count = process_vm_writev(context.victim, &[IoSlice::new(SECRET)], &secret)?;
    succeeded(format!("wrote {count} bytes"))
}
