//! One session: the connection of one module, from its handshake to its end.
//!
//! One task owns the socket. Calls run beside it and answer out of order; replies and events are written as
//! they come. Whatever a module does costs that module its session at worst, and what it makes the core hold
//! is bounded: the calls in flight, the large replies among them, the events that wait, one frame being read.

mod handshake;
mod input;
mod requests;
mod unread;
pub(crate) mod wire;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_manifest::{CapabilitySet, ModuleName};
use cofferdam_protocol::Refusal;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::input::Input;
use self::requests::{Reply, Requests};
use crate::api::Host;
use crate::events::Mailbox;

/// How much is put together for one write: as much as a socket's buffer surely takes at once.
const BATCH_BYTES: usize = 32 * 1024;

/// How long a module that says no more may take to read its last replies.
const LAST_REPLIES_DEADLINE: Duration = Duration::from_secs(5);

/// Whom the launcher connected, and what the operator granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) name: ModuleName,
    pub(crate) version: String,
    pub(crate) granted: CapabilitySet,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    /// The module closed its connection, between two messages.
    #[error("it closed its connection")]
    Closed,
    /// The handshake was refused.
    #[error("{0}")]
    Refused(Refusal),
    /// No handshake came in time, or its answer was not taken.
    #[error("no handshake within {} s of its start", handshake::HANDSHAKE_DEADLINE.as_secs())]
    NoHandshake,
    /// It sent what is no message, or not one for the host.
    #[error("it broke the protocol: {0}")]
    Violation(String),
    /// It did not read what it had asked for.
    #[error("it did not read a large reply within {} s", unread::READ_DEADLINE.as_secs())]
    Unread,
    /// Its connection failed.
    #[error("its connection failed: {0}")]
    Io(io::Error),
    /// The host made a mistake; the session ends so that no call waits for ever.
    #[error("the host failed: {0}")]
    HostFault(String),
}

/// Serves one module until its session ends. `opened` is called once the handshake is done.
pub(crate) async fn serve(
    stream: UnixStream,
    module: Arc<Module>,
    host: Arc<Host>,
    opened: impl FnOnce() + Send,
) -> SessionEnd {
    let (read, mut output) = stream.into_split();
    let mut input = Input::new(read);
    let node = host.node_label();
    if let Err(end) = handshake::shake_hands(&mut input, &mut output, &module, node).await {
        return end;
    }
    let attachment = host.attach();
    opened();
    let (requests, mut replies) = Requests::new(module, &host, Arc::clone(attachment.mailbox()));
    let unread = requests.unread();
    let mut writing = pin!(write_frames(&mut output, &mut replies, attachment.mailbox()));
    let end = tokio::select! {
        end = requests.read(input) => end,
        end = &mut writing => return end,
        () = unread.overdue() => return SessionEnd::Unread,
    };
    if matches!(end, SessionEnd::Closed) {
        // It may have closed its own direction only, and still read. Whether it does changes nothing.
        let _ = timeout(LAST_REPLIES_DEADLINE, writing).await;
    }
    end
}

/// Writes replies and events as they come, neither before the other, until no reply can come any more. Has no
/// deadline: a module that does not read makes nobody wait but itself (see [`unread`] for what is shared).
async fn write_frames(
    output: &mut OwnedWriteHalf,
    replies: &mut mpsc::Receiver<Reply>,
    mailbox: &Mailbox,
) -> SessionEnd {
    let mut batch = Batch::default();
    loop {
        let written = tokio::select! {
            reply = replies.recv() => match reply {
                Some(reply) => batch.write(output, reply, replies).await,
                None => return SessionEnd::Closed,
            },
            event = mailbox.next() => output.write_all(&event).await,
        };
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => return discard(replies).await,
            Err(error) => return SessionEnd::Io(error),
        }
    }
}

/// Small replies that are ready at the same time, written by one system call.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The replies in `bytes`: they keep their places in flight until they are written.
    replies: Vec<Reply>,
}

impl Batch {
    /// Writes `first` and what is ready behind it.
    async fn write(
        &mut self,
        output: &mut OwnedWriteHalf,
        first: Reply,
        ready: &mut mpsc::Receiver<Reply>,
    ) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(reply) = next.take_if(|reply| self.bytes.len() + reply.frame.len() <= BATCH_BYTES) {
            self.bytes.extend_from_slice(&reply.frame);
            self.replies.push(reply);
            next = ready.try_recv().ok();
        }
        let written = output.write_all(&self.bytes).await;
        // Written or not, they give up their places: the reading side goes on until its end.
        self.bytes.clear();
        self.replies.clear();
        written?;
        match next {
            // It was too large to be copied.
            Some(reply) => output.write_all(&reply.frame).await,
            None => Ok(()),
        }
    }
}

/// The module reads no more. What it said last is still to be heard, and the end of that ends the session;
/// until then replies give up their places.
async fn discard(replies: &mut mpsc::Receiver<Reply>) -> SessionEnd {
    while replies.recv().await.is_some() {}
    SessionEnd::Closed
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
pub(crate) mod tests;
