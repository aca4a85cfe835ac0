//! Bodies of frames, in both directions: what is read is written again as it was.

use cofferdam_protocol::calls::CallInfo;
use cofferdam_protocol::{
    DecodeError, HostMessage, Message, ModuleMessage, decode, decode_request, encode_frame,
};

/// The length in front of a body.
const HEADER_BYTES: usize = 4;

/// What a module sends to the core.
pub(crate) fn to_host(body: &[u8]) {
    match decode_request(body) {
        Ok(message) => {
            assert!(decode::<HostMessage>(body).is_ok(), "both read the same messages");
            is_written_as_it_was(&message, body);
        }
        Err(DecodeError::UnknownCall { tag, .. }) => {
            assert!(CallInfo::by_tag(tag).is_none(), "call {tag} is known");
        }
        Err(DecodeError::Malformed { problem, .. }) => is_short(&problem),
    }
}

/// What the core sends to a module; a module trusts the core with its life, but not with its memory.
pub(crate) fn to_module(body: &[u8]) {
    match decode::<ModuleMessage>(body) {
        Ok(message) => is_written_as_it_was(&message, body),
        Err(error) => is_short(&error.to_string()),
    }
}

/// Two readings of one body would let a module say one thing to the check and another to the handler.
fn is_written_as_it_was<M: Message>(message: &M, body: &[u8]) {
    let frame = encode_frame(message).expect("what was read can be written");
    let (length, written) = frame.split_at(HEADER_BYTES);
    assert_eq!(written, body, "read and written again");
    assert_eq!(length, u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
}

/// It goes into a line of the log.
fn is_short(problem: &str) {
    assert!(problem.len() < 1024, "an error of {} bytes", problem.len());
}

#[cfg(test)]
mod tests {
    use cofferdam_protocol::{Hello, HostMessage};

    use super::is_written_as_it_was;

    fn hello(sdk: &str) -> HostMessage {
        let text = str::to_owned;
        HostMessage::Hello(Hello {
            protocol_min: 1,
            protocol_max: 1,
            module_id: text("a"),
            module_name: text("a"),
            module_version: text("1.0.0"),
            sdk: text(sdk),
        })
    }

    #[test]
    #[should_panic(expected = "read and written again")]
    fn a_reader_that_forgets_something_is_found() {
        let sent = cofferdam_protocol::encode_frame(&hello("sdk")).unwrap();
        is_written_as_it_was(&hello(""), sent.get(4..).unwrap());
    }
}
