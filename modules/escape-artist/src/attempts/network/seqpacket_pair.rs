//! socketpair(2) of seqpacket sockets: such a socket is of a kind that no module needs. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("seqpacket-pair", "make a pair of seqpacket sockets", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    succeeded("made it")
}
