//! The part of ZMTP 3.0 that a subscriber needs, with every frame bounded: a length that the peer claims never
//! allocates more than the largest message has. Reads from anything, so that hostile bytes need no socket.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest frame of a `sequence` message has 41 bytes, of the handshake about 100.
const MAX_FRAME_BYTES: u64 = 255;
/// Commands a peer may send before it is ready or between messages.
const MAX_COMMANDS: u32 = 16;

pub(super) const TOPIC: &[u8] = b"sequence";
/// Signature, version 3.0, mechanism NULL, not a server; the rest is zero.
pub(super) const GREETING_BYTES: usize = 64;
const VERSION_AT: usize = 10;
const MECHANISM: std::ops::Range<usize> = 12..32;
/// Bits of a frame's first byte.
pub(super) const MORE: u8 = 1;
pub(super) const LONG: u8 = 2;
pub(super) const COMMAND: u8 = 4;
/// READY with the property Socket-Type = SUB.
pub(super) const READY: &[u8] = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";

struct Frame {
    flags: u8,
    body: Vec<u8>,
}

/// A message of three parts: topic, content, counter. More parts are not kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(super) content: Vec<u8>,
    pub(super) counter: Vec<u8>,
}

/// What a message says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Connected(BlockHash),
    Disconnected(BlockHash),
    Added { txid: Txid, sequence: u64 },
    Removed { txid: Txid, sequence: u64 },
}

/// The last number the node gave to a message of this topic.
#[derive(Debug, Default)]
pub(super) struct Counter(Option<u32>);

impl Message {
    /// What happened; `None` where that is not understood.
    pub(crate) fn happening(&self) -> Option<Happening> {
        let (hash, rest) = self.content.split_first_chunk::<32>()?;
        // The node sends hashes as they are written, which is the other way round.
        let mut hash = *hash;
        hash.reverse();
        match rest {
            [b'C'] => Some(Happening::Connected(BlockHash::from_byte_array(hash))),
            [b'D'] => Some(Happening::Disconnected(BlockHash::from_byte_array(hash))),
            [letter @ (b'A' | b'R'), number @ ..] => {
                let sequence = u64::from_le_bytes(number.try_into().ok()?);
                let txid = Txid::from_byte_array(hash);
                Some(match letter {
                    b'A' => Happening::Added { txid, sequence },
                    _ => Happening::Removed { txid, sequence },
                })
            }
            _ => None,
        }
    }

    /// Whether messages are missing before this one, or it has no number that could tell.
    pub(super) fn follows_a_gap(&self, counter: &mut Counter) -> bool {
        match <[u8; 4]>::try_from(self.counter.as_slice()) {
            Ok(number) => counter.skipped(u32::from_le_bytes(number)),
            Err(_wrong_length) => true,
        }
    }
}

impl Counter {
    /// Takes note of a number; whether it does not follow the one before.
    pub(super) fn skipped(&mut self, number: u32) -> bool {
        let expected = self.0.map(|last| last.wrapping_add(1));
        self.0 = Some(number);
        expected.is_some_and(|expected| expected != number)
    }

    /// Whether there was any number.
    pub(super) fn has_counted(&self) -> bool {
        self.0.is_some()
    }
}

/// Greets a publisher and subscribes. Nothing acknowledges the subscription.
pub(super) async fn subscribe<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<(), String> {
    let mut greeting = [0; GREETING_BYTES];
    for (byte, value) in greeting.iter_mut().zip(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL") {
        *byte = *value;
    }
    write(stream, &greeting).await?;
    let mut theirs = [0; GREETING_BYTES];
    stream.read_exact(&mut theirs).await.map_err(|error| error.to_string())?;
    if theirs.first() != Some(&0xff)
        || theirs.get(VERSION_AT).is_none_or(|version| *version < 3)
        || theirs.get(MECHANISM) != greeting.get(MECHANISM)
    {
        return Err("it does not speak ZMTP 3 without encryption (is this the zmq port?)".to_owned());
    }
    write(stream, &frame(COMMAND, READY)).await?;
    let ready = read_frame(stream).await?;
    if ready.flags & COMMAND == 0 || !ready.body.starts_with(b"\x05READY") {
        return Err("it did not accept the subscriber".to_owned());
    }
    let subscription = [&[1], TOPIC].concat();
    write(stream, &frame(0, &subscription)).await
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(|error| error.to_string())
}

/// A short frame; all we ever send are short.
pub(super) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[flags, length], body].concat()
}

pub(crate) async fn read_message<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Message, String> {
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

async fn read_frame<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Frame, String> {
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
