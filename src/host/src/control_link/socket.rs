//! The control socket itself: `SOCK_SEQPACKET`, datagrams in and out, at most one descriptor beside each.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, SocketType, recvmsg, send,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::LinkError;

/// The lowest number for the duplicate of stdin: above the three that every program has.
const FIRST_FREE_FD: i32 = 3;

/// A connected control socket. Must be used within the runtime it was made in.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    fd: UnixDatagram,
}

impl ControlSocket {
    /// Takes the launcher's socket over from stdin, where the launcher put it.
    ///
    /// # Errors
    /// [`LinkError::Socket`] if stdin is not that socket.
    pub(crate) fn from_stdin() -> Result<Self, LinkError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_FREE_FD)
            .map_err(|error| failed("duplicate stdin", error.into()))?;
        Self::new(fd)
    }

    /// Uses this socket.
    ///
    /// # Errors
    /// [`LinkError::Socket`] if it is not a `SOCK_SEQPACKET` socket.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, LinkError> {
        const WANTED: &str = "stdin must be the launcher's socket: the core is started by cofferdam-launcher";
        match sockopt::socket_type(&fd) {
            Ok(SocketType::SEQPACKET) => {}
            Ok(_) => return Err(failed(WANTED, io::Error::from(io::ErrorKind::InvalidInput))),
            Err(error) => return Err(failed(WANTED, error.into())),
        }
        rustix::io::ioctl_fionbio(&fd, true)
            .map_err(|error| failed("make the control socket non-blocking", error.into()))?;
        // The standard library has no type for SOCK_SEQPACKET. Only readiness is asked of this one: what is
        // received and sent goes through recvmsg and send below, which work on both kinds.
        let datagrams = std::os::unix::net::UnixDatagram::from(fd);
        let fd =
            UnixDatagram::from_std(datagrams).map_err(|error| failed("watch the control socket", error))?;
        Ok(Self { fd })
    }

    /// The length of the next datagram, which is put into `buffer`, and the descriptor beside it. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// [`LinkError::LauncherGone`] at the end; [`LinkError::Protocol`] if anything did not fit.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>), LinkError> {
        loop {
            self.fd.readable().await.map_err(|error| failed("wait for the launcher", error))?;
            match self.fd.try_io(Interest::READABLE, || receive_now(&self.fd, buffer)) {
                Ok(Datagram { length: 0, .. }) => return Err(LinkError::LauncherGone),
                Ok(datagram) => return datagram.whole(),
                Err(error) => not_yet("receive", error)?,
            }
        }
    }

    /// Sends one datagram, waiting for room. Dropping the future sends nothing.
    ///
    /// # Errors
    /// [`LinkError::LauncherGone`] if nobody can receive it; [`LinkError::Socket`].
    pub(super) async fn send(&self, datagram: &[u8]) -> Result<(), LinkError> {
        loop {
            self.fd.writable().await.map_err(|error| failed("wait for the launcher", error))?;
            let sent =
                self.fd.try_io(Interest::WRITABLE, || Ok(send(&self.fd, datagram, SendFlags::NOSIGNAL)?));
            match sent {
                // A datagram is sent whole or not at all.
                Ok(_length) => return Ok(()),
                Err(error) => not_yet("send", error)?,
            }
        }
    }
}

/// Lets what only has to be tried again pass.
fn not_yet(doing: &'static str, error: io::Error) -> Result<(), LinkError> {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
        return Ok(());
    }
    if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
        return Err(LinkError::LauncherGone);
    }
    Err(failed(doing, error))
}

struct Datagram {
    length: usize,
    descriptors: Vec<OwnedFd>,
    flags: ReturnFlags,
}

impl Datagram {
    fn whole(self) -> Result<(usize, Option<OwnedFd>), LinkError> {
        let problem = |what: &str| LinkError::Protocol { what: what.to_owned() };
        if self.flags.contains(ReturnFlags::TRUNC) {
            return Err(problem("a message that is too long"));
        }
        if self.flags.contains(ReturnFlags::CTRUNC) || self.descriptors.len() > 1 {
            return Err(problem("a message with more than one descriptor"));
        }
        Ok((self.length, self.descriptors.into_iter().next()))
    }
}

fn receive_now(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(fd, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    // Collected before anything is judged, so that no descriptor stays open.
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok(Datagram { length: received.bytes, descriptors, flags: received.flags })
}

fn failed(doing: &'static str, source: io::Error) -> LinkError {
    LinkError::Socket { doing, source }
}
