//! Listens to the node's ZMQ `sequence` topic, only to know when to look.
//!
//! Speaks the part of ZMTP 3.0 that a subscriber needs, with every frame bounded: a length that the peer
//! claims never allocates. The `zeromq` crate reserves whatever length a frame claims and reconnects without
//! telling, so a lost message could go unnoticed; here every loss of the connection, every new subscription
//! and every gap in the node's counter is a hint of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// From connecting to being subscribed.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(10);
/// The pause between two looks while the node tells of its blocks: TCP may die without a word.
const QUIET_PAUSE: Duration = Duration::from_secs(10);
/// When to look again after subscribing: a node under load needs a moment to serve a new subscriber.
const SETTLING: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];
/// The largest frame of a `sequence` message has 41 bytes, of the handshake about 100.
const MAX_FRAME_BYTES: u64 = 255;
/// Commands a peer may send before it is ready or between messages.
const MAX_COMMANDS: u32 = 16;

const TOPIC: &[u8] = b"sequence";
/// Signature, version 3.0, mechanism NULL, not a server; the rest is zero.
const GREETING_BYTES: usize = 64;
const VERSION_AT: usize = 10;
const MECHANISM: std::ops::Range<usize> = 12..32;
/// Bits of a frame's first byte.
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// READY with the property Socket-Type = SUB.
const READY: &[u8] = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";

/// How the follower is told.
pub(super) struct Hints {
    pub(super) hint: Arc<Notify>,
    pub(super) pause: watch::Sender<Duration>,
    /// The pause while nothing is heard.
    pub(super) poll: Duration,
}

/// Listens until the follower is gone.
pub(super) async fn listen(address: SocketAddr, hints: Hints) {
    let mut retry = RETRY_FIRST;
    loop {
        let began = Instant::now();
        let ended = tokio::select! {
            ended = listen_once(address, &hints) => ended,
            () = hints.pause.closed() => return,
        };
        let was_quiet = hints.pause.send_replace(hints.poll) != hints.poll;
        hints.hint.notify_one();
        if was_quiet || retry == RETRY_FIRST {
            tracing::warn!(%address, reason = ended, poll = ?hints.poll, "zmq lost: polling the node");
        }
        if began.elapsed() > RETRY_LONGEST {
            retry = RETRY_FIRST;
        }
        tokio::select! {
            () = tokio::time::sleep(retry) => {}
            () = hints.pause.closed() => return,
        }
        retry = retry.saturating_mul(2).min(RETRY_LONGEST);
    }
}

/// One connection from its beginning to its end; says why it ended.
async fn listen_once(address: SocketAddr, hints: &Hints) -> String {
    let mut stream = match timeout(HANDSHAKE_DEADLINE, subscribe(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(reason)) => return reason,
        Err(_elapsed) => return "no handshake within 5 s".to_owned(),
    };
    tracing::info!(%address, "zmq subscribed");
    tokio::select! {
        reason = hear(&mut stream, hints) => reason,
        reason = settle(hints) => reason,
    }
}

/// Looks when a subscription has just been sent. Nothing acknowledges it, and what the node publishes before it
/// takes effect is lost; so is everything from before.
async fn settle(hints: &Hints) -> String {
    hints.hint.notify_one();
    for wait in SETTLING {
        tokio::time::sleep(wait).await;
        hints.hint.notify_one();
    }
    std::future::pending().await
}

/// Passes on what the node publishes, until it ends; says why.
async fn hear(stream: &mut BufReader<TcpStream>, hints: &Hints) -> String {
    let mut counter = Counter::default();
    loop {
        match read_message(stream).await {
            Ok(message) => {
                // Only a message proves that the subscription is in force and that this is the right port.
                hints.pause.send_replace(QUIET_PAUSE.max(hints.poll));
                if message.calls_for_a_look(&mut counter) {
                    hints.hint.notify_one();
                }
            }
            Err(reason) => return reason,
        }
    }
}

async fn subscribe(address: SocketAddr) -> Result<BufReader<TcpStream>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    // Without it the subscription waits for the acknowledgement of the frame before, some 40 ms.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut stream = BufReader::new(stream);
    let mut greeting = [0; GREETING_BYTES];
    for (byte, value) in greeting.iter_mut().zip(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL") {
        *byte = *value;
    }
    write(&mut stream, &greeting).await?;
    let mut theirs = [0; GREETING_BYTES];
    stream.read_exact(&mut theirs).await.map_err(|error| error.to_string())?;
    if theirs.first() != Some(&0xff)
        || theirs.get(VERSION_AT).is_none_or(|version| *version < 3)
        || theirs.get(MECHANISM) != greeting.get(MECHANISM)
    {
        return Err("it does not speak ZMTP 3 without encryption (is this the zmq port?)".to_owned());
    }
    write(&mut stream, &frame(COMMAND, READY)).await?;
    let ready = read_frame(&mut stream).await?;
    if ready.flags & COMMAND == 0 || !ready.body.starts_with(b"\x05READY") {
        return Err("it did not accept the subscriber".to_owned());
    }
    let subscription = [&[1], TOPIC].concat();
    write(&mut stream, &frame(0, &subscription)).await?;
    Ok(stream)
}

async fn write(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(|error| error.to_string())
}

/// A short frame; all we ever send are short.
fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[flags, length], body].concat()
}

struct Frame {
    flags: u8,
    body: Vec<u8>,
}

/// A message of three parts: topic, content, counter. More parts are not kept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    content: Vec<u8>,
    counter: Vec<u8>,
}

/// The last number the node gave to a message of this topic.
#[derive(Debug, Default)]
struct Counter(Option<u32>);

impl Message {
    /// Whether the chain may have changed: a block came or went, or something was missed.
    fn calls_for_a_look(&self, counter: &mut Counter) -> bool {
        let gap = match <[u8; 4]>::try_from(self.counter.as_slice()) {
            Ok(number) => counter.skipped(u32::from_le_bytes(number)),
            Err(_wrong_length) => true,
        };
        // Hash, then a letter: C and D for blocks; A and R for the mempool, which is not followed here.
        let about_mempool = self.content.len() == 41 && matches!(self.content.get(32), Some(b'A' | b'R'));
        gap || !about_mempool
    }
}

impl Counter {
    /// Takes note of a number; whether it does not follow the one before.
    fn skipped(&mut self, number: u32) -> bool {
        let expected = self.0.map(|last| last.wrapping_add(1));
        self.0 = Some(number);
        expected.is_some_and(|expected| expected != number)
    }
}

async fn read_message(stream: &mut BufReader<TcpStream>) -> Result<Message, String> {
    let mut message = Message::default();
    let mut parts = 0;
    let mut commands = 0;
    loop {
        let frame = read_frame(stream).await?;
        if frame.flags & COMMAND != 0 {
            commands += 1;
            if commands > MAX_COMMANDS {
                return Err("it sends commands instead of messages".to_owned());
            }
            continue;
        }
        match parts {
            0 if frame.body != TOPIC => return Err("it sends a topic that was not asked for".to_owned()),
            0 => {}
            1 => message.content = frame.body,
            2 => message.counter = frame.body,
            _ => return Err("its message has more than three parts".to_owned()),
        }
        parts += 1;
        if frame.flags & MORE == 0 {
            return Ok(message);
        }
    }
}

async fn read_frame(stream: &mut BufReader<TcpStream>) -> Result<Frame, String> {
    let ended = |error: std::io::Error| error.to_string();
    let flags = stream.read_u8().await.map_err(ended)?;
    let length = match flags & LONG {
        0 => u64::from(stream.read_u8().await.map_err(ended)?),
        _ => stream.read_u64().await.map_err(ended)?,
    };
    let bounded = usize::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let length = bounded.ok_or_else(|| format!("a frame of {length} bytes, above {MAX_FRAME_BYTES}"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(ended)?;
    Ok(Frame { flags, body })
}

#[cfg(test)]
mod tests;
