//! Takes over the socket that Cofferdam leaves in a module's descriptor 3.
//!
//! It looks at what the descriptor is before it uses it, and it never takes it twice: two owners would close
//! each other's descriptors. It makes `getsockopt` (SO_DOMAIN, SO_TYPE) and `fcntl` calls only, which a module's
//! sandbox allows.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::error::SdkError;

/// Where Cofferdam puts the socket: the first descriptor after the standard three.
const INHERITED_FD: RawFd = 3;

/// Set when descriptor 3 was taken, for the life of the process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The inherited socket, non-blocking and closed on exec.
///
/// # Errors
/// [`SdkError::AlreadyConnected`] the second time; [`SdkError::Inherit`] if descriptor 3 is not open or is not
/// a stream socket of the Unix family. It is left as it was then.
pub(crate) fn take_inherited_socket() -> Result<UnixStream, SdkError> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(SdkError::AlreadyConnected);
    }
    // SAFETY: the descriptor must be open and have no other owner. `--socket-path fd:3` is the host's statement
    // that it left a socket there for this crate, and `TAKEN` makes this the only time it is claimed. If the
    // statement is false, `examine` finds out and the value is given up below without closing anything: only
    // system calls that read the descriptor's kind have been made on it by then.
    #[expect(unsafe_code, reason = "the one place where a number becomes a descriptor")]
    let claimed = unsafe { OwnedFd::from_raw_fd(INHERITED_FD) };
    let prepared = examine(&claimed).and_then(|()| prepare(&claimed));
    match prepared {
        Ok(()) => Ok(UnixStream::from(claimed)),
        Err(problem) => {
            let _left_open = claimed.into_raw_fd();
            Err(SdkError::Inherit { problem })
        }
    }
}

/// Says what is wrong with a descriptor that should be a connected Unix stream socket. Whether it is connected
/// shows in the handshake, which fails or times out: no one option a module may read tells.
fn examine(claimed: &OwnedFd) -> Result<(), String> {
    let domain = sockopt::socket_domain(claimed).map_err(|errno| match errno {
        Errno::BADF => "it is not open".to_owned(),
        Errno::NOTSOCK => "it is not a socket".to_owned(),
        other => format!("its kind cannot be read: {other}"),
    })?;
    let kind = sockopt::socket_type(claimed).map_err(|errno| format!("its type cannot be read: {errno}"))?;
    if domain != AddressFamily::UNIX {
        return Err("it is a socket, but not a Unix socket".to_owned());
    }
    if kind != SocketType::STREAM {
        return Err("it is a Unix socket, but not a stream".to_owned());
    }
    Ok(())
}

fn prepare(claimed: &OwnedFd) -> Result<(), String> {
    fcntl_setfd(claimed, FdFlags::CLOEXEC).map_err(|errno| format!("set close-on-exec: {errno}"))?;
    let flags = fcntl_getfl(claimed).map_err(|errno| format!("read its flags: {errno}"))?;
    fcntl_setfl(claimed, flags | OFlags::NONBLOCK).map_err(|errno| format!("set non-blocking: {errno}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_connected_unix_stream_is_accepted() {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let fd = OwnedFd::from(stream);
        assert_eq!(examine(&fd), Ok(()));
        assert_eq!(prepare(&fd), Ok(()));
        assert!(fcntl_getfl(&fd).unwrap().contains(OFlags::NONBLOCK));
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
    }

    #[test]
    fn a_file_is_refused() {
        let file = OwnedFd::from(std::fs::File::open("/").unwrap());
        assert_eq!(examine(&file), Err("it is not a socket".to_owned()));
    }

    #[test]
    fn an_internet_socket_is_refused() {
        let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        assert_eq!(examine(&tcp), Err("it is a socket, but not a Unix socket".to_owned()));
    }

    #[test]
    fn a_datagram_socket_is_refused() {
        let datagram = OwnedFd::from(UnixDatagram::unbound().unwrap());
        assert_eq!(examine(&datagram), Err("it is a Unix socket, but not a stream".to_owned()));
    }
}
