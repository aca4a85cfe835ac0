//! Reads frames from a module: bounded, piece by piece, and safe to stop waiting for at any moment.

use std::ops::Range;
use std::time::Duration;

use cofferdam_protocol::{FrameDecoder, HostMessage};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::time::{Instant, timeout_at};

use super::{SessionEnd, is_gone};

/// How much is read at once; requests are mostly below a hundred bytes, so this holds many.
const READ_BYTES: usize = 16 * 1024;

/// The longest handshake: three names and two versions.
const MAX_HELLO_BYTES: usize = 4096;

/// How long a frame may take from its first byte to its last. It is written at once, and while it is unfinished
/// the host holds what came of it.
const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// The reading half of a module's connection.
#[derive(Debug)]
pub(super) struct Input {
    half: OwnedReadHalf,
    decoder: FrameDecoder,
    buffer: Box<[u8]>,
    /// Which part of `buffer` was read and not yet decoded.
    unread: Range<usize>,
    /// When the first byte of an unfinished frame was decoded.
    begun: Option<Instant>,
}

impl Input {
    /// Takes nothing longer than a handshake, until [`Input::open`].
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        let decoder = FrameDecoder::with_limit(MAX_HELLO_BYTES);
        Self { half, decoder, buffer: vec![0; READ_BYTES].into(), unread: 0..0, begun: None }
    }

    /// The handshake is over: from now on a frame may have the length of its direction. Must be called
    /// between two frames.
    pub(super) fn open(&mut self) {
        self.decoder = FrameDecoder::for_messages::<HostMessage>();
    }

    /// The body of the next frame. Dropping the future loses nothing that was read.
    ///
    /// # Errors
    /// [`SessionEnd`]: the stream ended, or what comes is no frame.
    pub(super) async fn next_body(&mut self) -> Result<Vec<u8>, SessionEnd> {
        loop {
            let mut unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let frame = self.decoder.next_frame(&mut unread);
            self.unread.start = self.unread.end.saturating_sub(unread.len());
            match frame.map_err(|error| SessionEnd::Violation(error.to_string()))? {
                Some(body) => {
                    self.begun = None;
                    return Ok(body);
                }
                None => self.fill_in_time().await?,
            }
        }
    }

    /// Waits for more: for ever between two frames, but not inside one.
    async fn fill_in_time(&mut self) -> Result<(), SessionEnd> {
        if self.decoder.finish().is_ok() {
            return self.fill().await;
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let deadline = begun.checked_add(FRAME_DEADLINE).unwrap_or(begun);
        timeout_at(deadline, self.fill()).await.unwrap_or_else(|_elapsed| {
            let seconds = FRAME_DEADLINE.as_secs();
            Err(SessionEnd::Violation(format!("a message was begun and not finished within {seconds} s")))
        })
    }

    async fn fill(&mut self) -> Result<(), SessionEnd> {
        let bytes = match self.half.read(&mut self.buffer).await {
            Ok(bytes) => bytes,
            // It closed its connection with replies or events unread; all it had sent was read before this.
            Err(error) if is_gone(&error) => 0,
            Err(error) => return Err(SessionEnd::Io(error)),
        };
        self.unread = 0..bytes;
        if bytes > 0 {
            return Ok(());
        }
        let end = self.decoder.finish();
        Err(end.err().map_or(SessionEnd::Closed, |error| SessionEnd::Violation(error.to_string())))
    }
}
