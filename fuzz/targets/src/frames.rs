//! Frames of a stream, however it is cut into pieces.

use cofferdam_protocol::{FrameDecoder, FrameError};

/// Longer claims are refused; small enough that a fuzzer meets both sides of it.
const MAX_BODY_BYTES: usize = 4096;

/// The bodies that a stream gives, and how it ends.
type Read = (Vec<Vec<u8>>, Result<(), FrameError>);

/// The first byte says how the others are cut. Whatever it says, the frames are those of a reader that has all
/// bytes at once.
pub(crate) fn frames(input: &[u8]) {
    let Some((seed, stream)) = input.split_first() else { return };
    let expected = at_once(stream);
    assert_eq!(in_pieces(stream, |_| stream.len().max(1)), expected, "as one piece");
    assert_eq!(in_pieces(stream, |_| 1), expected, "byte by byte");
    let mut state = u32::from(*seed);
    let uneven = |_: usize| {
        // A linear congruential generator: pieces of 1 to 64 bytes, the same for the same input.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + usize::try_from(state >> 26).unwrap_or(0)
    };
    assert_eq!(in_pieces(stream, uneven), expected, "in uneven pieces");
}

fn in_pieces(mut stream: &[u8], mut size: impl FnMut(usize) -> usize) -> Read {
    let mut decoder = FrameDecoder::with_limit(MAX_BODY_BYTES);
    let mut bodies = Vec::new();
    while !stream.is_empty() {
        let (mut piece, rest) = stream.split_at(size(stream.len()).min(stream.len()));
        stream = rest;
        loop {
            match decoder.next_frame(&mut piece) {
                Ok(Some(body)) => bodies.push(body),
                Ok(None) => break,
                Err(error) => return (bodies, Err(error)),
            }
        }
        assert!(piece.is_empty(), "what gives no frame was taken whole");
    }
    let end = decoder.finish();
    (bodies, end)
}

/// The format as its documentation has it, read without a state.
fn at_once(mut stream: &[u8]) -> Read {
    let mut bodies = Vec::new();
    loop {
        let Some((header, rest)) = stream.split_first_chunk::<4>() else {
            let missing_bytes = 4 - stream.len();
            let end = if stream.is_empty() { Ok(()) } else { Err(FrameError::Truncated { missing_bytes }) };
            return (bodies, end);
        };
        let length_bytes = u32::from_be_bytes(*header);
        let length = usize::try_from(length_bytes).unwrap_or(usize::MAX);
        if length > MAX_BODY_BYTES {
            return (bodies, Err(FrameError::TooLong { length_bytes, max_bytes: MAX_BODY_BYTES }));
        }
        let Some((body, rest)) = rest.split_at_checked(length) else {
            let missing_bytes = length - rest.len();
            return (bodies, Err(FrameError::Truncated { missing_bytes }));
        };
        bodies.push(body.to_vec());
        stream = rest;
    }
}
