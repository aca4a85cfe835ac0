//! Where the events of each type come from on this host, or why none will come.
//!
//! It promises nothing: a type is named here only if some code of this crate publishes it.

use cofferdam_protocol::{Availability, EventOrigin, EventType};

/// Types whose every event the core publishes when it happens.
const LIVE: &[EventType] = &[
    EventType::NewBlock,
    EventType::BlockDisconnected,
    EventType::ModuleLoaded,
    EventType::ModuleUnloaded,
    EventType::ModuleCrashed,
    EventType::NodeShutdown,
    EventType::EventsDropped,
];

/// Types that the core concludes from others.
const DERIVED: &[EventType] = &[EventType::ChainReorg];

/// Types that happen inside the node and that it keeps to itself.
const UNTOLD: &[EventType] = &[
    EventType::BlockValidationStarted,
    EventType::ScriptVerificationStarted,
    EventType::ScriptVerificationCompleted,
    EventType::MessageReceived,
    EventType::MessageSent,
];

/// Whether any event of this type will ever come.
pub(super) fn is_published(event_type: EventType) -> bool {
    LIVE.contains(&event_type) || DERIVED.contains(&event_type)
}

/// What can be expected of `event_type`.
pub(crate) fn availability(event_type: EventType) -> Availability {
    if LIVE.contains(&event_type) {
        Availability::Live
    } else if DERIVED.contains(&event_type) {
        Availability::Derived
    } else {
        Availability::Unavailable { reason: why_not(event_type) }
    }
}

fn why_not(event_type: EventType) -> String {
    if let EventType::Unknown(tag) = event_type {
        return format!("event type {tag} is of a later protocol than this host's");
    }
    if UNTOLD.contains(&event_type) {
        return format!("no node tells {event_type} over RPC or ZMQ");
    }
    if event_type == EventType::NodeShutdownCompleted {
        return "modules have been stopped by then: it could never be delivered".to_owned();
    }
    match event_type.origin() {
        EventOrigin::Module => {
            format!("{event_type} comes from modules, and this host takes no events from modules yet")
        }
        EventOrigin::Core => format!("this version of the host has no source for {event_type}"),
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
