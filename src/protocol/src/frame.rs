//! Bytes to frames: a length of four bytes, big-endian, then that many bytes of body.
//!
//! A state machine without a socket: it is fed whatever arrived and hands out whole bodies. A length that is
//! too large is refused before a byte of the body is kept, and a length alone never allocates: the buffer
//! grows with the bytes that really arrive, to at most twice as many.

use crate::codec::Message;

/// How many bytes the length takes.
pub const HEADER_BYTES: usize = 4;

/// The first step of a body's buffer. Most messages fit, so most frames are allocated once.
const FIRST_STEP_BYTES: usize = 4096;

/// Why the stream cannot be read any further. The session must end: where the next frame begins is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame is longer than its direction allows.
    #[error("a frame of {length_bytes} bytes, at most {max_bytes} are allowed here")]
    TooLong {
        /// The length that was claimed.
        length_bytes: u32,
        /// The limit of this direction.
        max_bytes: usize,
    },
    /// The stream ended in the middle of a frame.
    #[error("the connection ended inside a frame, {missing_bytes} bytes before its end")]
    Truncated {
        /// How many bytes are missing at least.
        missing_bytes: usize,
    },
}

/// Puts frames together from pieces of a stream.
#[derive(Debug)]
pub struct FrameDecoder {
    max_bytes: usize,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    /// The length of the body, once the header is whole.
    length: Option<usize>,
    body: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder for frames that carry `M`, with its limit.
    #[must_use]
    pub fn for_messages<M: Message>() -> Self {
        Self::with_limit(M::MAX_FRAME_BYTES)
    }

    /// A decoder for bodies of at most `max_bytes` bytes.
    #[must_use]
    pub fn with_limit(max_bytes: usize) -> Self {
        Self { max_bytes, header: [0; HEADER_BYTES], header_filled: 0, length: None, body: Vec::new() }
    }

    /// Takes bytes from the front of `input`, and gives the next body if it is whole. Call it again until it
    /// gives `None`, at which point all of `input` was taken.
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; the decoder is of no use after it.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        let length = match self.length {
            Some(length) => length,
            None => match self.take_header(input)? {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        self.take_body(input, length);
        if self.body.len() < length {
            return Ok(None);
        }
        self.length = None;
        self.header_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// Says whether the stream may end here.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if it ends inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        let missing_bytes = match self.length {
            Some(length) => length.saturating_sub(self.body.len()),
            None if self.header_filled == 0 => return Ok(()),
            None => HEADER_BYTES.saturating_sub(self.header_filled),
        };
        Err(FrameError::Truncated { missing_bytes })
    }

    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<usize>, FrameError> {
        for slot in self.header.iter_mut().skip(self.header_filled) {
            let Some((first, rest)) = input.split_first() else { return Ok(None) };
            *slot = *first;
            *input = rest;
            self.header_filled = self.header_filled.saturating_add(1);
        }
        let length_bytes = u32::from_be_bytes(self.header);
        match usize::try_from(length_bytes) {
            Ok(length) if length <= self.max_bytes => {
                self.length = Some(length);
                Ok(Some(length))
            }
            _ => Err(FrameError::TooLong { length_bytes, max_bytes: self.max_bytes }),
        }
    }

    fn take_body(&mut self, input: &mut &[u8], length: usize) {
        let wanted = length.saturating_sub(self.body.len()).min(input.len());
        let (piece, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        let filled = self.body.len().saturating_add(piece.len());
        if filled > self.body.capacity() {
            // Doubling keeps the copying linear; never beyond the frame, never ahead of what arrived.
            let target = filled.saturating_mul(2).max(FIRST_STEP_BYTES).min(length);
            self.body.reserve_exact(target.saturating_sub(self.body.len()));
        }
        self.body.extend_from_slice(piece);
        *input = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_alone_does_not_allocate() {
        let mut decoder = FrameDecoder::with_limit(40 << 20);
        assert_eq!(decoder.next_frame(&mut (40u32 << 20).to_be_bytes().as_slice()), Ok(None));
        assert_eq!(decoder.body.capacity(), 0);
    }

    #[test]
    fn the_buffer_is_at_most_twice_what_arrived_or_one_first_step() {
        let length = 1_500_000usize;
        let mut decoder = FrameDecoder::with_limit(length);
        let header = u32::try_from(length).unwrap().to_be_bytes();
        assert_eq!(decoder.next_frame(&mut header.as_slice()), Ok(None));
        let piece = [1; 1000];
        for arrived in (piece.len()..length).step_by(piece.len()) {
            assert_eq!(decoder.next_frame(&mut piece.as_slice()), Ok(None));
            assert!(decoder.body.capacity() <= (2 * arrived).max(FIRST_STEP_BYTES));
        }
        let body = decoder.next_frame(&mut piece.as_slice()).unwrap().unwrap();
        assert_eq!(body.capacity(), length);
    }
}
