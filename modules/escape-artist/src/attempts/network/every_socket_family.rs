//! socket(2) of every family up to 64, those that nobody remembers included: the kernel loads modules for them. The
//! filter answers: none.

use crate::attempt::{Attempt, Context, Errno, Layer, Refused, Tried, succeeded};
use crate::raw::call;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "every-socket-family",
    "make a socket of any family",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    run,
);

const FAMILIES: std::ops::Range<i64> = 0..64;

/// The first answer that is another than that there is no such family.
fn run(_: &Context) -> Tried {
    let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_SEQPACKET];
    for (family, kind) in FAMILIES.flat_map(|family| kinds.map(|kind| (family, kind))) {
        match call(libc::SYS_socket, &[family, kind.into()]) {
            Ok(_) => return succeeded(format!("made one of family {family}")),
            Err(Refused::Errno(Errno::EAFNOSUPPORT)) => {}
            // The family is there, and has no such kind.
            Err(_) => return succeeded(format!("the kernel looked at family {family}")),
        }
    }
    Err(Errno::EAFNOSUPPORT.into())
}
