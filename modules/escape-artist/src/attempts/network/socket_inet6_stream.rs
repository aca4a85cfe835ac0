//! An IPv6 stream socket, forgotten by rules for IPv4. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-inet6-stream",
    "make an IPv6 stream socket",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::INET6, SocketType::STREAM, None),
);
