//! connect(2) to a socket of a service: D-Bus, the Docker daemon, snapd (CVE-2019-7304). The filter answers; the path
//! has no meaning inside.

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::open_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "connect-unix-path",
    "connect to a Unix socket of the host",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    run,
);

fn run(context: &Context) -> Tried {
    let socket = open_socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::net::connect(socket, &SocketAddrUnix::new(&context.socket_path)?)?;
    succeeded(format!("connected to {}", context.socket_path.display()))
}
