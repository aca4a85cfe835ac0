//! The launcher's end of the control socket. The core may be hostile or hung: what it sends is bounded and
//! checked, and the launcher never waits for it to read.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_control::{Ask, MAX_MESSAGE_BYTES, Report, decode, encode};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::error::Error;
use crate::log::{Bucket, LineRate, Taken};
use crate::sys::parent;

/// Reports that wait for the core to read. A core that is this far behind is hung, and is killed.
const MAX_WAITING: usize = 1024;

/// How much the core may ask: all modules at once, and then far more than they can need.
const ASKS: LineRate = LineRate { burst: 1000, per_second: 50 };

/// The control socket and what waits to be sent on it.
pub(crate) struct ControlLink {
    socket: OwnedFd,
    waiting: VecDeque<Datagram>,
    buffer: Vec<u8>,
    asks: Bucket,
}

struct Datagram {
    bytes: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

/// What came from the core.
pub(crate) enum Heard {
    /// A request.
    Ask(Ask),
    /// Nothing now.
    Nothing,
    /// The core has closed its end.
    Closed,
}

impl ControlLink {
    pub(crate) fn new(socket: OwnedFd, now: Instant) -> Self {
        let asks = Bucket::new(ASKS, now);
        Self { socket, waiting: VecDeque::new(), buffer: vec![0; MAX_MESSAGE_BYTES], asks }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What to wait for: its requests, unless it has used up its allowance, and room for what waits to be sent.
    pub(crate) fn interest(&self) -> PollFlags {
        let reading = if self.asks.is_empty() { PollFlags::empty() } else { PollFlags::POLLIN };
        let sending = if self.waiting.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        reading | sending
    }

    /// Lets its allowance grow with time; after which pause it has one again, if it has none now.
    pub(crate) fn refill(&mut self, now: Instant) -> Option<Duration> {
        self.asks.pause_from(now)
    }

    /// Receives one request.
    ///
    /// # Errors
    /// [`Error::Control`] for a datagram that is no request: the core is to be killed.
    pub(crate) fn hear(&mut self, now: Instant) -> Result<Heard, Error> {
        if self.asks.take(now) == Taken::Empty {
            return Ok(Heard::Nothing);
        }
        let received =
            parent::receive_with_descriptor(self.socket.as_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT);
        match received {
            Ok(None) => Ok(Heard::Closed),
            // A descriptor from the core is closed: there is no request that carries one.
            Ok(Some((_, Some(_)))) => Err(Error::Control("the core sent a descriptor".to_owned())),
            Ok(Some((length, None))) => {
                let datagram = self.buffer.get(..length).unwrap_or_default();
                decode(datagram).map(Heard::Ask).map_err(|error| Error::Control(error.to_string()))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Heard::Nothing),
            Err(Errno::ECONNRESET) => Ok(Heard::Closed),
            Err(errno) => Err(Error::Control(format!("receive: {errno}"))),
        }
    }

    /// Sends a report, or lets it wait its turn.
    ///
    /// # Errors
    /// [`Error::Control`] when the core is too far behind: it is to be killed.
    pub(crate) fn report(&mut self, report: &Report, descriptor: Option<OwnedFd>) -> Result<(), Error> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Error::Control(format!("the core has not read its last {MAX_WAITING} messages")));
        }
        let bytes = encode(report).map_err(|error| Error::Control(error.to_string()))?;
        self.waiting.push_back(Datagram { bytes, descriptor });
        self.flush()
    }

    /// Sends what waits, as far as the core reads.
    ///
    /// # Errors
    /// [`Error::Control`] when the socket is broken; a core that is gone is seen at its pidfd.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        while let Some(datagram) = self.waiting.front() {
            match send(&self.socket, datagram) {
                Ok(()) => {}
                // The last three: the kernel is short of memory, or the core has not taken the last descriptors yet.
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM | Errno::ETOOMANYREFS) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(Errno::EPIPE | Errno::ECONNRESET) => {}
                Err(errno) => return Err(Error::Control(format!("send: {errno}"))),
            }
            self.waiting.pop_front();
        }
        Ok(())
    }
}

fn send(socket: &OwnedFd, datagram: &Datagram) -> Result<(), Errno> {
    let parts = [IoSlice::new(&datagram.bytes)];
    let raw = datagram.descriptor.as_ref().map(|descriptor| [descriptor.as_raw_fd()]);
    let control: Vec<ControlMessage<'_>> = raw.iter().map(|raw| ControlMessage::ScmRights(raw)).collect();
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &parts, &control, flags, None).map(drop)
}
