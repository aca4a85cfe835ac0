//! The first exchange of a session: who the module says it is, compared with whom the launcher connected.
//!
//! The connection is the identity. What the module claims is only compared, and a difference ends the session:
//! a module that does not know who it is was built or configured wrongly, or lies.

use std::time::Duration;

use cofferdam_protocol::message::{MAX_CAPABILITIES, PROTOCOL};
use cofferdam_protocol::{BoundedVec, Hello, Limits, Message, Refusal, VersionRange, Welcome, negotiate};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::timeout;

use super::input::Input;
use super::requests::MAX_IN_FLIGHT;
use super::{Module, SessionEnd, wire};
use crate::events::EVENT_QUEUE;

/// How long a module may take from its start to its handshake. It may open a database before it connects.
pub(super) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);

/// How long the answer may take to be written: it fits into any socket's buffer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// Waits for the handshake and answers it.
///
/// # Errors
/// [`SessionEnd`] if there is to be no session; the module was told why, as far as it listens.
pub(super) async fn shake_hands(
    input: &mut Input,
    output: &mut OwnedWriteHalf,
    module: &Module,
    node: &str,
) -> Result<(), SessionEnd> {
    let body = match timeout(HANDSHAKE_DEADLINE, input.next_frame()).await {
        Ok(frame) => frame?.body,
        Err(_elapsed) => return Err(SessionEnd::NoHandshake),
    };
    let judged = wire::decode_hello(&body)
        .map_err(|reason| Refusal::Other { reason })
        .and_then(|hello| judge(&hello, module));
    let (frame, outcome) = match judged {
        Ok(protocol) => (wire::encode_welcome(welcome(protocol, module, node)), Ok(())),
        Err(refusal) => (wire::encode_refusal(refusal.clone()), Err(SessionEnd::Refused(refusal))),
    };
    let frame = frame.map_err(|error| SessionEnd::HostFault(error.to_string()))?;
    let written = timeout(ANSWER_DEADLINE, output.write_all(&frame)).await;
    // That it was refused says more than that it did not listen to it.
    outcome?;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(SessionEnd::Io(error)),
        Err(_elapsed) => Err(SessionEnd::NoHandshake),
    }
}

/// The protocol version of the session, if the claims are right.
fn judge(hello: &Hello, module: &Module) -> Result<u32, Refusal> {
    let protocol = negotiate(PROTOCOL, VersionRange { min: hello.protocol_min, max: hello.protocol_max })?;
    let claims = [
        ("module_id", &hello.module_id, module.name.as_str()),
        ("name", &hello.module_name, module.name.as_str()),
        ("version", &hello.module_version, module.version.as_str()),
    ];
    match claims.into_iter().find(|(_, claimed, expected)| claimed != expected) {
        Some((field, claimed, expected)) => Err(Refusal::IdentityMismatch {
            field: field.to_owned(),
            claimed: claimed.clone(),
            expected: expected.to_owned(),
        }),
        None => Ok(protocol),
    }
}

fn welcome(protocol: u32, module: &Module, node: &str) -> Welcome {
    let granted = module.granted.iter().map(|capability| capability.as_str().to_owned());
    Welcome {
        protocol,
        module_id: module.name.as_str().to_owned(),
        capabilities: BoundedVec::<String, MAX_CAPABILITIES>::truncated(granted),
        node: node.to_owned(),
        limits: Limits {
            max_frame_bytes: saturated(cofferdam_protocol::HostMessage::MAX_FRAME_BYTES),
            max_in_flight: saturated(MAX_IN_FLIGHT),
            event_queue: saturated(EVENT_QUEUE),
        },
    }
}

fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> Module {
        Module { version: "1.2.3".to_owned(), ..crate::session::tests::peer::module("block-watch", &[]) }
    }

    fn hello() -> Hello {
        Hello {
            protocol_min: PROTOCOL.min,
            protocol_max: PROTOCOL.max,
            module_id: "block-watch".to_owned(),
            module_name: "block-watch".to_owned(),
            module_version: "1.2.3".to_owned(),
            sdk: "test".to_owned(),
        }
    }

    #[test]
    fn the_module_that_was_started_is_let_in() {
        assert_eq!(judge(&hello(), &module()), Ok(PROTOCOL.max));
    }

    #[test]
    fn every_claim_about_the_identity_is_compared() {
        let others = [
            Hello { module_id: "other".to_owned(), ..hello() },
            Hello { module_name: "other".to_owned(), ..hello() },
            Hello { module_version: "other".to_owned(), ..hello() },
        ];
        let refused = others.map(|hello| match judge(&hello, &module()) {
            Err(Refusal::IdentityMismatch { field, .. }) => field,
            other => panic!("{other:?}"),
        });
        assert_eq!(refused, ["module_id", "name", "version"]);
    }

    #[test]
    fn two_ends_without_a_common_version_say_so() {
        let later = Hello { protocol_min: 900, protocol_max: 901, ..hello() };
        assert!(matches!(judge(&later, &module()), Err(Refusal::NoCommonVersion { .. })));
    }
}
