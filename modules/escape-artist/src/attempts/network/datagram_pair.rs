//! socketpair(2) of datagram sockets: such a socket can send to any address. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("datagram-pair", "make a pair of datagram sockets", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let flags = rustix::net::SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    succeeded("made it")
}
