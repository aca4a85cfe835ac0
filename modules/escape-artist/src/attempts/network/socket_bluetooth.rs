//! A Bluetooth socket (CVE-2021-3752 and others). The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer, Needs};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "socket-bluetooth",
    "make a Bluetooth socket",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    |_| make_socket(AddressFamily::BLUETOOTH, SocketType::SEQPACKET, None),
)
.needing(Needs::Protocol("L2CAP"));
