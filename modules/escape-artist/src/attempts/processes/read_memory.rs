//! process_vm_readv(2) of another process. The filter answers, and kills.

use std::io::IoSliceMut;

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::unconfined::SECRET;

pub(super) const ATTEMPT: Attempt = Attempt::lethal("read-memory", "read the memory of another process", run);

use nix::sys::uio::{RemoteIoVec, process_vm_readv};

fn run(context: &Context) -> Tried {
    let secret = [RemoteIoVec { base: context.victim_address, len: SECRET.len() }];
    let mut buffer = [0; SECRET.len()];
    process_vm_readv(context.victim, &mut [IoSliceMut::new(&mut buffer)], &secret)?;
    succeeded(format!("read `{}`", String::from_utf8_lossy(&buffer)))
}
