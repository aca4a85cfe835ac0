//! seccomp(2) with SECCOMP_FILTER_FLAG_NEW_LISTENER: whoever holds the newest listener could answer `continue` in
//! place of the launcher. The filter answers as a kernel that does not have the call.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "answer-its-own-calls",
    "answer its own system calls (seccomp notifications)",
    Layer::Seccomp,
    Errno::ENOSYS,
    run,
);

/// One instruction that allows everything, and the program that it is: struct sock_fprog.
fn run(_: &Context) -> Tried {
    const RETURN: u64 = 0x06;
    const ALLOW: u64 = 0x7fff_0000;
    let instruction = [RETURN | ALLOW << 32];
    let program = [1, at(&instruction)];
    let (set_filter, new_listener) = (1, 1 << 3);
    call(libc::SYS_seccomp, &[set_filter, new_listener, at(&program)])?;
    succeeded("holds a listener")
}
