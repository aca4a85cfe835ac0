//! setsockopt(2) on its connection: buffers in kernel memory, filters, credentials with each message. The filter
//! answers.

use std::os::unix::net::UnixStream;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("change-socket", "set an option of a socket", Layer::Seccomp, Errno::EPERM, run);

fn run(_: &Context) -> Tried {
    let (end, _other) = UnixStream::pair()?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&end, 1 << 16)?;
    succeeded("set the size of its buffer")
}
