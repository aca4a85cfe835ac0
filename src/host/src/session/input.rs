//! Reads frames from a module: bounded, piece by piece, and safe to stop waiting for at any moment.

use std::ops::Range;
use std::time::Duration;

use cofferdam_protocol::{FrameDecoder, FrameError, HostMessage};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::time::{Instant, timeout_at};

use super::admission::{Admission, Admitted, MAX_ORDINARY_BYTES};
use super::{SessionEnd, is_gone};

/// How much is read at once; requests are mostly below a hundred bytes, so this holds many.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// The longest handshake: three names and two versions.
const MAX_HELLO_BYTES: usize = 4096;

/// How long a frame may take from its first byte to its last. It is written at once, and while it is unfinished the
/// host holds what came of it.
const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// The same for a large one, from when it was admitted: others wait for its place. That is less than a megabyte a
/// second, which modules write in a thousandth of the time.
const LARGE_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Who lets large frames in, once the handshake is over.
    admission: Option<Admission>,
    /// The place of the frame that is being read, if it is a large one.
    admitted: Option<Admitted>,
}

/// The body of one frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) body: Vec<u8>,
    /// Its place, if it is a large one.
    pub(super) admitted: Option<Admitted>,
}

impl Input {
    /// Takes nothing longer than a handshake, until [`Input::open`].
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        let decoder = FrameDecoder::with_limit(MAX_HELLO_BYTES);
        let buffer = vec![0; READ_BYTES].into();
        Self { half, decoder, buffer, unread: 0..0, begun: None, admission: None, admitted: None }
    }

    /// The handshake is over: from now on a frame may have the length of its direction, if `admission` lets it in.
    /// Must be called between two frames.
    pub(super) fn open(&mut self, admission: Admission) {
        self.decoder = FrameDecoder::for_messages::<HostMessage>();
        self.admission = Some(admission);
    }

    /// The next frame. Dropping the future loses nothing that was read.
    ///
    /// # Errors
    /// [`SessionEnd`]: the stream ended, or what comes is no frame.
    pub(super) async fn next_frame(&mut self) -> Result<Frame, SessionEnd> {
        loop {
            let mut unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
            let frame = self.decoder.next_frame(&mut unread);
            self.unread.start = self.unread.end.saturating_sub(unread.len());
            match frame.map_err(|error| SessionEnd::Violation(error.to_string()))? {
                Some(body) => {
                    self.begun = None;
                    return Ok(Frame { body, admitted: self.admitted.take() });
                }
                None => self.fill_in_time().await?,
            }
        }
    }

    /// Waits for more: for ever between two frames, but not inside one.
    async fn fill_in_time(&mut self) -> Result<(), SessionEnd> {
        let missing = match self.decoder.finish() {
            Ok(()) => return self.fill().await,
            Err(FrameError::Truncated { missing_bytes }) => missing_bytes,
            Err(FrameError::TooLong { .. }) => 0,
        };
        if missing > MAX_ORDINARY_BYTES && self.admitted.is_none() {
            self.be_admitted().await?;
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let patience = if self.admitted.is_some() { LARGE_DEADLINE } else { FRAME_DEADLINE };
        let deadline = begun.checked_add(patience).unwrap_or(begun);
        timeout_at(deadline, self.fill()).await.unwrap_or_else(|_elapsed| {
            let seconds = patience.as_secs();
            Err(SessionEnd::Violation(format!("a message was begun and not finished within {seconds} s")))
        })
    }

    /// Waits for the place of a large frame, of which no more than one buffer was read. Waiting for others is not the
    /// module's fault: its own time begins anew.
    async fn be_admitted(&mut self) -> Result<(), SessionEnd> {
        if let Some(admission) = &self.admission {
            self.admitted = Some(admission.admit().await?);
            self.begun = None;
        }
        Ok(())
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
