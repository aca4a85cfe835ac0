//! The bytes of every message, committed. A test that fails here means that modules built earlier would no
//! longer be understood: append with a new tag instead of changing what is there.

#![allow(clippy::expect_used, reason = "a sample that does not encode is a failed test")]

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write;

use cofferdam_protocol::*;
use expect_test::expect_file;

fn line<M: Message + std::fmt::Debug>(page: &mut String, message: &M) {
    let frame = encode_frame(message).expect("a sample encodes");
    let hex: String = frame.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    });
    writeln!(page, "{message:?}\n    {hex}").expect("a String takes everything");
}

#[test]
fn the_bytes_of_every_message_to_the_host_are_the_committed_ones() {
    let mut page = String::new();
    samples::to_host().iter().for_each(|message| line(&mut page, message));
    expect_file!["golden/to-host.txt"].assert_eq(&page);
}

#[test]
fn the_bytes_of_every_message_to_a_module_are_the_committed_ones() {
    let mut page = String::new();
    samples::to_module().iter().for_each(|message| line(&mut page, message));
    expect_file!["golden/to-module.txt"].assert_eq(&page);
}

#[test]
fn the_number_and_origin_of_every_event_type_are_the_committed_ones() {
    let page: String = EventType::ALL
        .iter()
        .map(|event_type| format!("{:>4} {event_type} {:?}\n", event_type.tag(), event_type.origin()))
        .collect();
    expect_file!["golden/event-types.txt"].assert_eq(&page);
}

#[test]
fn the_number_name_and_capability_of_every_call_are_the_committed_ones() {
    let page: String = CATALOG
        .iter()
        .map(|call| {
            let capability = call.capability.map_or("(none)", |capability| capability.as_str());
            format!("{:>4} {} {capability}\n", call.tag, call.name)
        })
        .collect();
    expect_file!["golden/calls.txt"].assert_eq(&page);
}

/// The numbers at the front of encoded samples are all the numbers of their enum, so no kind lacks a sample.
fn assert_all_sampled(tags: &[(u32, &str)], sampled: impl Iterator<Item = u32>) {
    let all: BTreeSet<u32> = tags.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(all.len(), tags.len(), "a tag is used twice");
    assert_eq!(sampled.collect::<BTreeSet<_>>(), all);
}

fn tag_at(offset: usize, frame: Vec<u8>) -> u32 {
    let bytes = frame.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(bytes.expect("a sample has a tag there"))
}

/// Where the tag inside a message is: after the frame's length, the message's tag and, except in a refusal,
/// eight bytes of correlation id or cursor.
const INNER_TAG: usize = 4 + 4 + 8;

#[test]
fn every_kind_of_request_response_error_event_and_refusal_has_committed_bytes() {
    let request = |payload| HostMessage::Request(RequestMessage { correlation_id: 0, payload });
    let response = |result| ModuleMessage::Response(ResponseMessage { correlation_id: 0, result });
    let host = |message: HostMessage| encode_frame(&message).unwrap();
    let module = |message: ModuleMessage| encode_frame(&message).unwrap();

    assert_all_sampled(
        RequestPayload::TAGS,
        samples::requests().into_iter().map(|payload| tag_at(INNER_TAG, host(request(payload)))),
    );
    assert_all_sampled(
        ResponsePayload::TAGS,
        samples::responses().into_iter().map(|reply| tag_at(INNER_TAG + 4, module(response(Ok(reply))))),
    );
    assert_all_sampled(
        ApiError::TAGS,
        samples::errors().into_iter().map(|error| tag_at(INNER_TAG + 4, module(response(Err(error))))),
    );
    assert_all_sampled(
        EventPayload::TAGS,
        samples::events()
            .into_iter()
            .map(|event| tag_at(INNER_TAG, module(ModuleMessage::Event(EventMessage::new(0, event))))),
    );
    assert_all_sampled(
        Refusal::TAGS,
        samples::refusals().into_iter().map(|refusal| tag_at(8, module(ModuleMessage::Refused(refusal)))),
    );
    assert_all_sampled(
        InvocationPayload::TAGS,
        samples::invocations().into_iter().map(|payload| {
            let invocation = InvocationMessage { invocation_id: 0, deadline_ms: 0, payload };
            tag_at(INNER_TAG + 4, module(ModuleMessage::Invocation(invocation)))
        }),
    );
    assert_all_sampled(
        HostMessage::TAGS,
        samples::to_host().into_iter().map(|message| tag_at(4, host(message))),
    );
    assert_all_sampled(
        ModuleMessage::TAGS,
        samples::to_module().into_iter().map(|message| tag_at(4, module(message))),
    );
}

#[test]
fn requests_and_responses_have_the_numbers_of_the_catalog() {
    let catalog: Vec<u32> = CATALOG.iter().map(|call| call.tag).collect();
    assert_eq!(RequestPayload::TAGS.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), catalog);
    assert_eq!(ResponsePayload::TAGS.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), catalog);
    samples::requests()
        .iter()
        .for_each(|request| assert_eq!(CallInfo::by_name(request.info().name), Some(request.info())));
}

#[test]
fn a_payload_has_the_number_and_the_name_of_its_event_type() {
    for (tag, name) in EventPayload::TAGS {
        assert_eq!(EventType::from_tag(*tag).as_str(), *name);
    }
    for event in samples::events() {
        assert!(format!("{event:?}").starts_with(event.event_type().as_str()));
    }
}

#[test]
fn event_types_are_read_back_from_their_names_and_numbers() {
    for event_type in EventType::ALL {
        assert_eq!(event_type.as_str().parse::<EventType>().as_ref(), Ok(event_type));
        assert_eq!(EventType::from_tag(event_type.tag()), *event_type);
    }
    assert!("NewBlok".parse::<EventType>().unwrap_err().to_string().contains("`NewBlok`"));
}
