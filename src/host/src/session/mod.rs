//! One session: the connection of one module, from its handshake to its end.
//!
//! One task owns the socket. Calls run beside it and answer out of order; replies and events are written as
//! they come. Whatever a module does costs that module its session at worst, and what it makes the core hold
//! is bounded: the calls in flight, the large ones and the large replies among them, the events and the invocations
//! that wait, one frame being read.

mod admission;
mod handshake;
mod input;
pub(crate) mod outbox;
mod requests;
mod unread;
pub(crate) mod wire;

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_control::CoreLimits;
use cofferdam_log::TokenBucket;
use cofferdam_manifest::{CapabilitySet, ModuleName};
use cofferdam_protocol::{EventType, Refusal};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) use self::admission::MAX_LARGE_REQUESTS;
use self::input::Input;
use self::outbox::Outbox;
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
    /// The event types it may publish.
    pub(crate) publishes: Vec<EventType>,
    /// Where its data directory is in this sandbox, if it may ask for files.
    pub(crate) files: Option<PathBuf>,
    /// How much of the core it may take.
    pub(crate) limits: CoreLimits,
}

impl Module {
    /// What it may call, untouched.
    fn rate(&self) -> TokenBucket {
        let CoreLimits { calls_per_second, call_burst, .. } = self.limits;
        TokenBucket::new(Duration::from_secs(1) / calls_per_second.max(1), call_burst)
    }
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
    let joined = host.modules().join(&module.name);
    opened();
    let (mailbox, outbox) = (Arc::clone(attachment.mailbox()), Arc::clone(joined.outbox()));
    let (requests, mut replies) = Requests::new(module, &host, mailbox, outbox);
    input.open(requests.admission());
    let unread = requests.unread();
    let waiting = Waiting { mailbox: attachment.mailbox(), outbox: joined.outbox() };
    let mut writing = pin!(write_frames(&mut output, &mut replies, waiting));
    let end = tokio::select! {
        // What has come is answered together: the replies are written when there is nothing more to read.
        biased;
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

/// What waits for the module besides replies.
struct Waiting<'s> {
    mailbox: &'s Mailbox,
    outbox: &'s Outbox,
}

/// Writes replies, events and invocations as they come, none before the others, until no reply can come any more. Has no
/// deadline: a module that does not read makes nobody wait but itself (see [`unread`] for what is shared).
async fn write_frames(
    output: &mut OwnedWriteHalf,
    replies: &mut mpsc::Receiver<Reply>,
    waiting: Waiting<'_>,
) -> SessionEnd {
    let mut batch = Batch::default();
    loop {
        let written = tokio::select! {
            reply = replies.recv() => match reply {
                Some(reply) => batch.write(output, reply, replies).await,
                None => return SessionEnd::Closed,
            },
            event = waiting.mailbox.next() => output.write_all(&event).await,
            invocation = waiting.outbox.next() => output.write_all(&invocation).await,
        };
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {
                // It can be asked nothing any more.
                waiting.outbox.close();
                return discard(replies).await;
            }
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
