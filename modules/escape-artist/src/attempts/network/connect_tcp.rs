//! connect(2) to a port of the host: the node's RPC, a cloud's metadata. The filter answers as a machine without a
//! network, which this is.

use rustix::net::{AddressFamily, SocketType};

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::steps::open_socket;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "connect-tcp",
    "connect to a TCP port of the host",
    Layer::Seccomp,
    Errno::EAFNOSUPPORT,
    run,
);

use rustix::net::connect;

fn run(context: &Context) -> Tried {
    connect(open_socket(AddressFamily::INET, SocketType::STREAM, None)?, &context.tcp_address)?;
    succeeded(format!("connected to {}", context.tcp_address))
}
