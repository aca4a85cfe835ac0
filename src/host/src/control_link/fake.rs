//! The launcher as the tests play it: the other end of a control socket.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_control::{Ask, MAX_MESSAGE_BYTES, Report, decode, encode};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, sendmsg, socketpair,
};

use super::ControlSocket;

pub(crate) struct FakeLauncher(OwnedFd);

pub(crate) fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}

impl FakeLauncher {
    /// A launcher, and the socket that it would give to its core.
    pub(crate) fn new() -> (Self, ControlSocket) {
        let (launcher_end, core_end) = pair(SocketType::SEQPACKET);
        (Self(launcher_end), ControlSocket::new(core_end).unwrap())
    }

    pub(crate) fn end(&self) -> &OwnedFd {
        &self.0
    }

    pub(crate) fn report(&self, report: &Report, descriptors: &[&OwnedFd]) {
        let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let bytes = encode(report).unwrap();
        sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::empty()).unwrap();
    }

    /// What the core asks next.
    pub(crate) async fn asked(&self) -> Ask {
        let fd = self.0.try_clone().unwrap();
        let receive = move || {
            let mut buffer = vec![0; MAX_MESSAGE_BYTES];
            let (length, _) = recv(&fd, &mut buffer[..], RecvFlags::empty()).unwrap();
            decode(&buffer[..length]).unwrap()
        };
        tokio::task::spawn_blocking(receive).await.unwrap()
    }
}
