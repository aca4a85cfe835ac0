//! Memory without end. The cgroup answers, memory.max: the kernel kills the module and nobody else.

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::expecting("exhaust-memory", "use 300 MiB of memory", Layer::Cgroup, Expected::OutOfMemory, run);

use std::hint::black_box;

/// Over the policy's 256 MiB.
const MEMORY_MIB: usize = 300;
const MIB_BYTES: usize = 1 << 20;

/// Every page is written to: memory that is only mapped is not used.
fn run(_: &Context) -> Tried {
    let used: Vec<Vec<u8>> = (0..MEMORY_MIB).map(|_| black_box(vec![1; MIB_BYTES])).collect();
    succeeded(format!("used {} MiB", used.len()))
}
