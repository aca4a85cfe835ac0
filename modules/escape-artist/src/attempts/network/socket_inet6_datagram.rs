//! An IPv6 datagram socket. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-inet6-datagram",
    "make an IPv6 datagram socket",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::INET6, SocketType::DGRAM, None),
);
