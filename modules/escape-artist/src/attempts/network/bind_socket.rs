//! bind(2) of a path in its directory: an accomplice on the host connects to it. The filter answers.

use std::os::unix::net::UnixStream;

use rustix::net::SocketAddrUnix;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "bind-socket",
    "give a socket a name that others can reach",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    rustix::net::bind(&end, &SocketAddrUnix::new(context.data_dir.join("socket"))?)?;
    succeeded("bound a socket in its directory")
}
