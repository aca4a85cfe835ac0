//! request_key(2): for a key that is not there the kernel runs a program of the host's. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::raw::{at, call, reached};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("request-key", "request a key", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let (kind, name) = (at(c"user".to_bytes_with_nul()), at(c"escape-artist".to_bytes_with_nul()));
    reached(call(libc::SYS_request_key, &[kind, name]), Errno::ENOKEY)
}
