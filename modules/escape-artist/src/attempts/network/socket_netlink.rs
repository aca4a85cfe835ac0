//! A netlink socket: the kernel's own configuration, and many of its newer bugs (nf_tables, CVE-2023-32233,
//! CVE-2024-1086). The filter answers.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Errno, Layer};
use crate::steps::make_socket;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("socket-netlink", "make a netlink socket", Layer::Seccomp, Errno::EAFNOSUPPORT, |_| {
        make_socket(AddressFamily::NETLINK, SocketType::RAW, None)
    });
