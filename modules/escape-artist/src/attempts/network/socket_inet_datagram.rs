//! An IPv4 datagram socket: DNS as a way out. The filter answers; its network namespace has no interface.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-inet-datagram",
    "make an IPv4 datagram socket",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::INET, SocketType::DGRAM, None),
);
