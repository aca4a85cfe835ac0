//! An IPv4 raw socket: packets with a forged sender. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-inet-raw",
    "make an IPv4 raw socket",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::INET, SocketType::RAW, Some(rustix::net::ipproto::ICMP)),
);
