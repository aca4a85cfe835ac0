//! connect(2) to an abstract socket, which no mount hides: containerd-shim's (CVE-2020-15257), or another module's.
//! The filter answers; the network namespace and Landlock's scope would too.

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::open_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "connect-unix-abstract",
    "connect to an abstract Unix socket of the host",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    run,
);

fn run(context: &Context) -> Tried {
    let socket = open_socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::net::connect(socket, &SocketAddrUnix::new_abstract_name(context.abstract_socket.as_bytes())?)?;
    succeeded(format!("connected to @{}", context.abstract_socket))
}
