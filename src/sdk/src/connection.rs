//! One socket, shared by all handles of a connection: writes frames, reads frames, hands them out.
//!
//! Three tasks serve it: one reads, one writes what could not be written at once, one looks after deadlines. Replies go to their waiters and
//! events to their queue; the reading task never waits for either, so a slow receiver of events cannot hold up
//! a reply. When reading ends, for whatever reason, every waiting call fails and the event queue closes. When
//! the last handle goes, the tasks end and the socket closes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_protocol::{
    DecodeError, FrameDecoder, HostMessage, ModuleMessage, Welcome, decode, encode_frame,
};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use crate::error::SdkError;
use crate::event_queue::EventQueue;
use crate::invocation::{Invocation, InvocationQueue};
use crate::pending::Pending;

/// How much is read at once: all that a socket's buffer holds by default, so that a block takes the fewest turns of
/// its writer and its reader.
const READ_BYTES: usize = 256 * 1024;

/// Calls under way up to which each is written by itself, at once: fewer system calls would cost latency.
const WRITTEN_AT_ONCE: usize = 2;

/// The most frames of one system call; the kernel takes 1024 (IOV_MAX).
const MAX_SLICES: usize = 64;

/// How long the host may take to answer the handshake. It has nothing to look up; a host this slow is stuck.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What keeps a connection alive. The tasks do not hold it, so that the last user's drop ends them.
#[derive(Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    welcome: Welcome,
    tasks: [JoinHandle<()>; 3],
}

/// What the tasks, the handles and unanswered invocations share.
#[derive(Debug)]
pub(crate) struct Shared {
    stream: OwnedWriteHalf,
    outbound: Mutex<Outbound>,
    outbound_left: Notify,
    pending: Pending,
    events: EventQueue,
    invocations: InvocationQueue,
    in_flight: Semaphore,
}

/// Frames that the socket had no room for. It holds at most one frame for each call in flight.
#[derive(Debug, Default)]
struct Outbound {
    frames: VecDeque<Vec<u8>>,
    /// How much of the first frame is written.
    written: usize,
    /// Why nothing can be written any more. What the host sent before is still read.
    broken: Option<String>,
}

impl Handle {
    /// Says hello on a connected socket, waits for the welcome, and starts the tasks.
    ///
    /// # Errors
    /// [`SdkError::Refused`], [`SdkError::HandshakeTimeout`], or [`SdkError::Closed`] if the socket fails or
    /// the host does not speak the protocol.
    pub(crate) async fn open(stream: UnixStream, hello: HostMessage) -> Result<Arc<Self>, SdkError> {
        let (read, stream) = stream.into_split();
        let mut input = Input::new(read);
        let handshake = shake_hands(&stream, &mut input, &hello);
        let welcome = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| SdkError::HandshakeTimeout { after: HANDSHAKE_TIMEOUT })??;
        // A host that grants no call in flight would make the first call wait for ever: one is the least.
        let in_flight = usize::try_from(welcome.limits.max_in_flight).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            stream,
            outbound: Mutex::default(),
            outbound_left: Notify::new(),
            pending: Pending::default(),
            events: EventQueue::new(),
            invocations: InvocationQueue::new(),
            in_flight: Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS)),
        });
        let reading = tokio::spawn(read_until_closed(Arc::clone(&shared), input));
        let writing = tokio::spawn(write_what_is_left(Arc::clone(&shared)));
        let expiring = Arc::clone(&shared);
        let expiring = tokio::spawn(async move { expiring.pending.expire().await });
        Ok(Arc::new(Self { shared, welcome, tasks: [reading, writing, expiring] }))
    }

    pub(crate) fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    pub(crate) fn events(&self) -> &EventQueue {
        &self.shared.events
    }

    pub(crate) fn invocations(&self) -> &InvocationQueue {
        &self.shared.invocations
    }

    pub(crate) fn pending(&self) -> &Pending {
        &self.shared.pending
    }

    /// The places for calls in flight; taking one bounds what waits to be written.
    pub(crate) fn in_flight(&self) -> &Semaphore {
        &self.shared.in_flight
    }

    /// Writes a call, now or together with others: where several are under way, the next ones are not far, and one
    /// system call takes them all. Never waits and never leaves half a frame behind, whatever becomes of the caller.
    ///
    /// # Errors
    /// Why nothing can be written any more.
    pub(crate) fn send_call(&self, frame: Vec<u8>) -> Result<(), String> {
        if self.shared.pending.count() <= WRITTEN_AT_ONCE {
            return self.shared.send(frame);
        }
        self.shared.lock_outbound().push(frame)?;
        self.shared.outbound_left.notify_one();
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Writes a frame, now as far as the socket has room and the rest as soon as it has. Never waits and never
    /// leaves half a frame behind, whatever becomes of the caller.
    ///
    /// # Errors
    /// Why nothing can be written any more.
    pub(crate) fn send(&self, frame: Vec<u8>) -> Result<(), String> {
        let mut outbound = self.lock_outbound();
        outbound.push(frame)?;
        if let Flushed::Part = outbound.flush(&self.stream)? {
            self.outbound_left.notify_one();
        }
        Ok(())
    }

    /// No code panics while it holds the lock, so a poisoned queue is still whole.
    fn lock_outbound(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, reason: String) {
        self.pending.close(reason);
        self.events.close();
        self.invocations.close();
        // Whoever waits for a place in flight is woken, and finds the connection closed.
        self.in_flight.close();
    }
}

enum Flushed {
    All,
    Part,
}

impl Outbound {
    fn of(frame: Vec<u8>) -> Self {
        Self { frames: VecDeque::from([frame]), ..Self::default() }
    }

    /// Adds a frame to what is to be written.
    fn push(&mut self, frame: Vec<u8>) -> Result<(), String> {
        match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => {
                self.frames.push_back(frame);
                Ok(())
            }
        }
    }

    /// Writes as much as the socket takes. After an error nothing is ever written again: a frame may be half
    /// out, and whatever came next would be taken for its rest.
    fn flush(&mut self, stream: &OwnedWriteHalf) -> Result<Flushed, String> {
        if let Some(reason) = &self.broken {
            return Err(reason.clone());
        }
        self.write_frames(stream).map_err(|error| {
            self.frames.clear();
            self.broken.insert(format!("write: {error}")).clone()
        })
    }

    fn write_frames(&mut self, stream: &OwnedWriteHalf) -> io::Result<Flushed> {
        while let Some(first) = self.frames.front() {
            let first = first.get(self.written..).unwrap_or_default();
            let written = if self.frames.len() == 1 {
                stream.try_write(first)
            } else {
                let others = self.frames.iter().skip(1).map(Vec::as_slice);
                let slices: Vec<IoSlice<'_>> =
                    std::iter::once(first).chain(others).take(MAX_SLICES).map(IoSlice::new).collect();
                stream.try_write_vectored(&slices)
            };
            match written {
                Ok(bytes) => self.forget(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Part),
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed::All)
    }

    /// So much was written.
    fn forget(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        while let Some(first) = self.frames.front()
            && first.len() <= self.written
        {
            self.written = self.written.saturating_sub(first.len());
            self.frames.pop_front();
        }
    }
}

/// Bytes to bodies of frames, as they arrive from the socket.
struct Input {
    half: OwnedReadHalf,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
    /// Which part of `buffer` was read and not yet decoded.
    unread: std::ops::Range<usize>,
}

impl Input {
    fn new(half: OwnedReadHalf) -> Self {
        let decoder = FrameDecoder::for_messages::<ModuleMessage>();
        Self { half, decoder, buffer: vec![0; READ_BYTES], unread: 0..0 }
    }

    /// The next message. An error is the reason why there is none.
    async fn next_message(&mut self) -> Result<ModuleMessage, String> {
        loop {
            let mut unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let body = self.decoder.next_frame(&mut unread).map_err(|error| error.to_string())?;
            self.unread.start = self.unread.end.saturating_sub(unread.len());
            if let Some(body) = body {
                return decode(&body).map_err(|error: DecodeError| error.to_string());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        let bytes = self.half.read(&mut self.buffer).await.map_err(|error| format!("read: {error}"))?;
        if bytes == 0 {
            self.decoder.finish().map_err(|error| error.to_string())?;
            return Err("the host closed it".to_owned());
        }
        self.unread = 0..bytes;
        Ok(())
    }
}

async fn shake_hands(
    stream: &OwnedWriteHalf,
    input: &mut Input,
    hello: &HostMessage,
) -> Result<Welcome, SdkError> {
    let closed = |reason: String| SdkError::Closed { reason };
    let frame = encode_frame(hello).map_err(|error| closed(error.to_string()))?;
    let mut outbound = Outbound::of(frame);
    while let Flushed::Part = outbound.flush(stream).map_err(closed)? {
        stream.writable().await.map_err(|error| closed(format!("write: {error}")))?;
    }
    let answer = input.next_message().await.map_err(closed)?;
    if let ModuleMessage::Welcome(welcome) = answer {
        return Ok(welcome);
    }
    if let ModuleMessage::Refused(refusal) = answer {
        return Err(SdkError::Refused(refusal));
    }
    Err(closed("the host did not answer the handshake with a welcome or a refusal".to_owned()))
}

/// Closes the connection for its users when the reading task ends, even by abort or panic.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close("the task that reads it ended".to_owned());
    }
}

async fn read_until_closed(shared: Arc<Shared>, mut input: Input) {
    let guard = CloseOnDrop(shared);
    let shared = &guard.0;
    let reason = loop {
        match input.next_message().await {
            Ok(ModuleMessage::Response(response)) => shared.pending.answer(response),
            Ok(ModuleMessage::Event(event)) => shared.events.push(event),
            Ok(ModuleMessage::Invocation(invocation)) => {
                shared.invocations.push(Invocation::new(invocation, Arc::downgrade(shared)));
            }
            Ok(_) => break "the host sent a second handshake".to_owned(),
            Err(reason) => break reason,
        }
    };
    shared.close(reason);
}

/// Writes what `send` could not. It ends when nothing can be written any more; the reading task, which still
/// takes what the host sent before it closed, then ends the connection.
async fn write_what_is_left(shared: Arc<Shared>) {
    loop {
        shared.outbound_left.notified().await;
        loop {
            if shared.stream.writable().await.is_err() {
                return;
            }
            let flushed = shared.lock_outbound().flush(&shared.stream);
            match flushed {
                Ok(Flushed::All) => break,
                Ok(Flushed::Part) => {}
                Err(_kept_for_the_next_caller) => return,
            }
        }
    }
}
