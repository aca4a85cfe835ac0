//! A packet socket: all traffic, and CVE-2020-14386 and CVE-2017-7308. The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer, Needs};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("socket-packet", "make a packet socket", Layer::Seccomp, Errno::EAFNOSUPPORT, |_| {
        make_socket(AddressFamily::PACKET, SocketType::RAW, None)
    })
    .needing(Needs::Protocol("PACKET"));
