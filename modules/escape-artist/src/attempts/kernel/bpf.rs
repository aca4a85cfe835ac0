//! bpf(2): programs that the kernel runs, and a verifier that was wrong often (CVE-2020-8835, CVE-2021-3490). The
//! filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("bpf", "load an object into the kernel (bpf)", run);

/// BPF_MAP_CREATE of an array with one entry: type, size of a key, size of a value, entries.
fn run(_: &Context) -> Tried {
    let (create, array) = (0, [2_u32, 4, 4, 1]);
    call(libc::SYS_bpf, &[create, at(&array), 16])?;
    succeeded("made an array in the kernel")
}
