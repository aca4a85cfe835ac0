//! What bytes from the other side can and cannot do: no input panics, takes memory it did not send, or decodes
//! to something that encodes differently.

#![allow(clippy::expect_used, reason = "a sample that does not encode is a failed test")]

mod samples;

use cofferdam_protocol::codec::{MAX_TO_HOST_BYTES, MAX_TO_MODULE_BYTES};
use cofferdam_protocol::frame::HEADER_BYTES;
use cofferdam_protocol::*;
use proptest::prelude::*;

fn body_of<M: Message>(message: &M) -> Vec<u8> {
    encode_frame(message).expect("a sample encodes").split_off(HEADER_BYTES)
}

fn host_bodies() -> Vec<Vec<u8>> {
    samples::to_host().iter().map(body_of).collect()
}

fn module_bodies() -> Vec<Vec<u8>> {
    samples::to_module().iter().map(body_of).collect()
}

/// Every eight bytes of a body, each replaced by a length no machine has the memory for. If any of them were
/// trusted, the allocation would abort this process.
fn with_hostile_lengths(body: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    const LENGTHS: [u64; 4] = [u64::MAX, 1 << 62, 1 << 45, 1 << 32];
    let last = body.len().saturating_sub(8);
    (0..=last).flat_map(move |at| {
        LENGTHS.map(|length| {
            let mut changed = body.to_vec();
            changed.splice(at..body.len().min(at + 8), length.to_le_bytes());
            changed
        })
    })
}

#[test]
fn a_hostile_length_anywhere_in_a_message_never_takes_the_memory_it_names() {
    for body in host_bodies() {
        with_hostile_lengths(&body).for_each(|changed| drop(decode::<HostMessage>(&changed)));
    }
    for body in module_bodies() {
        with_hostile_lengths(&body).for_each(|changed| drop(decode::<ModuleMessage>(&changed)));
    }
}

#[test]
fn a_message_cut_short_anywhere_is_refused() {
    for body in host_bodies() {
        (0..body.len()).for_each(|end| assert!(decode::<HostMessage>(&body[..end]).is_err()));
    }
    for body in module_bodies() {
        (0..body.len()).for_each(|end| assert!(decode::<ModuleMessage>(&body[..end]).is_err()));
    }
}

#[test]
fn a_byte_after_a_message_is_refused() {
    for mut body in host_bodies() {
        body.push(0);
        assert!(matches!(decode::<HostMessage>(&body), Err(DecodeError::Malformed { .. })));
    }
    for mut body in module_bodies() {
        body.push(0);
        assert!(matches!(decode::<ModuleMessage>(&body), Err(DecodeError::Malformed { .. })));
    }
}

#[test]
fn a_list_over_its_bound_is_refused() {
    let within = HostMessage::Request(RequestMessage {
        correlation_id: 1,
        payload: RequestPayload::SubscribeEvents {
            event_types: BoundedVec::truncated(vec![EventType::NewBlock; 512]),
            resume_after: None,
        },
    });
    let mut body = body_of(&within);
    assert!(decode::<HostMessage>(&body).is_ok());

    let length_at = 4 + 8 + 4;
    body.splice(length_at..length_at + 8, 513u64.to_le_bytes());
    body.extend_from_slice(&EventType::NewBlock.tag().to_le_bytes());
    let error = decode::<HostMessage>(&body).unwrap_err();
    assert!(error.to_string().contains("at most 512 elements"), "{error}");
}

#[test]
fn a_call_of_a_later_version_can_be_answered() {
    let mut body = body_of(&samples::to_host()[1]);
    body.splice(12..16, 9999u32.to_le_bytes());
    body.extend_from_slice(b"arguments of the future");
    assert_eq!(decode_request(&body), Err(DecodeError::UnknownCall { correlation_id: 258, tag: 9999 }));
    let within = |message: &HostMessage| matches!(message, HostMessage::RequestWithin(_));
    let mut body = body_of(samples::to_host().iter().find(|message| within(message)).unwrap());
    body.splice(20..24, 9999u32.to_le_bytes());
    assert_eq!(decode_request(&body), Err(DecodeError::UnknownCall { correlation_id: 258, tag: 9999 }));
}

#[test]
fn a_known_call_with_wrong_arguments_is_malformed() {
    let mut body = body_of(&samples::to_host()[1]);
    body.push(0);
    assert!(matches!(decode_request(&body), Err(DecodeError::Malformed { .. })));
}

#[test]
fn a_message_larger_than_its_direction_allows_is_not_encoded() {
    let message = "x".repeat(MAX_TO_HOST_BYTES);
    let payload = RequestPayload::Log { level: LogLevel::Info, message };
    let refused = encode_frame(&HostMessage::Request(RequestMessage { correlation_id: 1, payload }));
    assert!(matches!(refused, Err(EncodeError::TooLarge { max_bytes: MAX_TO_HOST_BYTES, .. })));
}

#[test]
fn a_block_is_encoded_into_memory_of_exactly_its_size() {
    let payload = ResponsePayload::GetBlock(Some(RawBlock::new(vec![7; 1_500_000])));
    let message = ModuleMessage::Response(ResponseMessage { correlation_id: 1, result: Ok(payload) });
    let frame = encode_frame(&message).unwrap();
    // No growth, hence no second copy: lengths and tags take 4 + 4 + 8 + 4 + 4 + 1 + 8 bytes.
    assert_eq!(frame.len(), 1_500_000 + 33);
    assert_eq!(frame.capacity(), frame.len());
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
    let mut decoder = FrameDecoder::for_messages::<ModuleMessage>();
    let length_bytes = u32::try_from(MAX_TO_MODULE_BYTES + 1).unwrap();
    let header = length_bytes.to_be_bytes();
    let refused = decoder.next_frame(&mut header.as_slice());
    assert_eq!(refused, Err(FrameError::TooLong { length_bytes, max_bytes: MAX_TO_MODULE_BYTES }));
}

#[test]
fn a_stream_may_end_between_frames_only() {
    let mut decoder = FrameDecoder::with_limit(100);
    assert_eq!(decoder.finish(), Ok(()));
    assert_eq!(decoder.next_frame(&mut [0, 0].as_slice()), Ok(None));
    assert_eq!(decoder.finish(), Err(FrameError::Truncated { missing_bytes: 2 }));
    assert_eq!(decoder.next_frame(&mut [0, 3, 9].as_slice()), Ok(None));
    assert_eq!(decoder.finish(), Err(FrameError::Truncated { missing_bytes: 2 }));
    assert_eq!(decoder.next_frame(&mut [8, 7].as_slice()), Ok(Some(vec![9, 8, 7])));
    assert_eq!(decoder.finish(), Ok(()));
}

/// Feeds a stream in pieces of the given sizes, over and over, and collects the bodies.
fn decode_in_pieces(stream: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut decoder = FrameDecoder::with_limit(1000);
    let (mut rest, mut bodies) = (stream, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut piece, later) = rest.split_at((*size).min(rest.len()));
        while let Some(body) = decoder.next_frame(&mut piece).expect("no body is over the limit") {
            bodies.push(body);
        }
        assert!(piece.is_empty(), "a piece is used up");
        rest = later;
    }
    bodies
}

proptest! {
    #[test]
    fn frames_are_the_same_in_whatever_pieces_they_arrive(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        sizes in prop::collection::vec(1..400usize, 1..8),
    ) {
        let stream: Vec<u8> = bodies
            .iter()
            .flat_map(|body| {
                let length = u32::try_from(body.len()).expect("bodies are short");
                [length.to_be_bytes().as_slice(), body].concat()
            })
            .collect();
        prop_assert_eq!(decode_in_pieces(&stream, &sizes), bodies);
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_frame_decoder(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = FrameDecoder::with_limit(500);
        let mut input = bytes.as_slice();
        while let Ok(Some(body)) = decoder.next_frame(&mut input) {
            prop_assert!(body.len() <= 500);
        }
    }

    #[test]
    fn arbitrary_bytes_decode_to_an_error_or_to_what_encodes_to_them(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Ok(message) = decode::<HostMessage>(&bytes) {
            prop_assert_eq!(body_of(&message), bytes.clone());
        }
        if let Ok(message) = decode::<ModuleMessage>(&bytes) {
            prop_assert_eq!(body_of(&message), bytes);
        }
    }

    #[test]
    fn a_changed_message_decodes_to_an_error_or_to_what_encodes_to_it(
        (pick, at, byte) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()),
    ) {
        let mut bodies = module_bodies();
        let chosen = pick.index(bodies.len());
        let mut body = bodies.swap_remove(chosen);
        let position = at.index(body.len());
        body[position] = byte;
        // A NaN is not equal to itself, so bytes are compared, not values.
        if let Ok(message) = decode::<ModuleMessage>(&body) {
            prop_assert_eq!(body_of(&message), body);
        }
    }
}
