//! Where the events of each type come from on this host, or why none will come.
//!
//! It promises nothing: a type is named here only if some code of this crate publishes it.

use cofferdam_protocol::{Availability, EventOrigin, EventType};

/// What can be expected of `event_type`.
pub(crate) fn availability(event_type: EventType) -> Availability {
    match event_type {
        EventType::NewBlock
        | EventType::BlockDisconnected
        | EventType::ModuleLoaded
        | EventType::ModuleUnloaded
        | EventType::ModuleCrashed
        | EventType::NodeShutdown
        | EventType::EventsDropped => Availability::Live,
        EventType::ChainReorg => Availability::Derived,
        other => Availability::Unavailable { reason: why_not(other) },
    }
}

fn why_not(event_type: EventType) -> String {
    match event_type {
        EventType::Unknown(tag) => {
            format!("event type {tag} is of a later protocol than this host's")
        }
        EventType::BlockValidationStarted
        | EventType::ScriptVerificationStarted
        | EventType::ScriptVerificationCompleted
        | EventType::MessageReceived
        | EventType::MessageSent => "no node tells this over RPC or ZMQ".to_owned(),
        EventType::NodeShutdownCompleted => {
            "modules have been stopped by then: it could never be delivered".to_owned()
        }
        other => match other.origin() {
            EventOrigin::Module => format!("{other} comes from modules, and this host takes no events from modules yet"),
            EventOrigin::Core => format!("this version of the host has no source for {other}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_either_available_or_has_a_reason() {
        for event_type in EventType::ALL {
            if let Availability::Unavailable { reason } = availability(*event_type) {
                assert!(reason.len() > 20, "{event_type}: {reason}");
            }
        }
    }

    #[test]
    fn a_type_of_a_later_protocol_is_unavailable_and_named_by_its_tag() {
        let Availability::Unavailable { reason } = availability(EventType::Unknown(4711)) else {
            panic!("available")
        };
        assert!(reason.contains("4711"));
    }
}
