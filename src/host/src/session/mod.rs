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
mod replies;
mod requests;
mod unread;
pub(crate) mod wire;

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_control::CoreLimits;
use cofferdam_log::TokenBucket;
use cofferdam_manifest::{CapabilitySet, ModuleName};
use cofferdam_protocol::{EventType, Refusal};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::timeout;

pub(crate) use self::admission::MAX_LARGE_REQUESTS;
use self::input::Input;
use self::outbox::Outbox;
use self::replies::{Replies, Reply};
use self::requests::Requests;
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
    let (requests, replies) = Requests::new(module, &host, mailbox, outbox);
    input.open(requests.admission());
    let unread = requests.unread();
    let outgoing =
        Outgoing { replies: &replies, mailbox: attachment.mailbox(), outbox: joined.outbox(), turn: 0 };
    let mut writing = pin!(write_frames(&mut output, outgoing));
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

/// All that waits to be written to the module.
struct Outgoing<'s> {
    replies: &'s Replies,
    mailbox: &'s Mailbox,
    outbox: &'s Outbox,
    /// Which of the three is looked at first, so that none waits for ever behind another.
    turn: u8,
}

enum Next {
    Reply(Reply),
    /// An event or an invocation.
    Frame(Bytes),
    /// No reply can come any more.
    End,
}

impl Outgoing<'_> {
    async fn next(&mut self) -> Next {
        self.turn = self.turn.wrapping_add(1) % 3;
        poll_fn(|context| {
            for step in 0..3 {
                let next = match (self.turn.wrapping_add(step)) % 3 {
                    0 => self.replies.poll_next(context).map(|reply| reply.map_or(Next::End, Next::Reply)),
                    1 => self.mailbox.poll_next(context).map(Next::Frame),
                    _ => self.outbox.poll_next(context).map(Next::Frame),
                };
                if next.is_ready() {
                    return next;
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Writes replies, events and invocations as they come, none before the others, until no reply can come any more. Has no
/// deadline: a module that does not read makes nobody wait but itself (see [`unread`] for what is shared).
async fn write_frames(output: &mut OwnedWriteHalf, mut outgoing: Outgoing<'_>) -> SessionEnd {
    let mut batch = Batch::default();
    loop {
        let written = match outgoing.next().await {
            Next::Reply(reply) => batch.write(output, reply, outgoing.replies).await,
            Next::Frame(frame) => output.write_all(&frame).await,
            Next::End => return SessionEnd::Closed,
        };
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {
                // It can be asked nothing any more.
                outgoing.outbox.close();
                return discard(outgoing.replies).await;
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
    async fn write(&mut self, output: &mut OwnedWriteHalf, first: Reply, ready: &Replies) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(reply) = next.take_if(|reply| self.bytes.len() + reply.frame.len() <= BATCH_BYTES) {
            self.bytes.extend_from_slice(&reply.frame);
            self.replies.push(reply);
            next = ready.pop();
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
async fn discard(replies: &Replies) -> SessionEnd {
    while poll_fn(|context| replies.poll_next(context)).await.is_some() {}
    SessionEnd::Closed
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
pub(crate) mod tests;
