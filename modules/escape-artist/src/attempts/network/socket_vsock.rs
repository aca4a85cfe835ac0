//! A socket to the hypervisor (CVE-2021-26708). The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer, Needs};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-vsock",
    "make a socket to the hypervisor",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::VSOCK, SocketType::STREAM, None),
)
.needing(Needs::Protocol("AF_VSOCK"));
