//! A socket to the kernel's ciphers, AF_ALG, which wrote to files that are open read-only (CVE-2026-31431). The filter
//! answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer, Needs};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-alg",
    "make a socket to the kernel's ciphers",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::from_raw(38), SocketType::SEQPACKET, None),
)
.needing(Needs::Protocol("ALG"));
