//! What an event carries, and what a subscription is answered with.
//!
//! An event has no field that differs between subscribers, so that the host encodes it once and shares the
//! bytes. The tag of a payload is the tag of its event type: the two cannot disagree on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bounded::BoundedVec;
use crate::calls::MAX_SUBSCRIBED_TYPES;
use crate::event::EventPayload;
use crate::events::EventType;

/// The most publishers of one event type that a subscription's answer names.
pub const MAX_PUBLISHERS: usize = 64;

/// One event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventMessage {
    /// Its place in the host's sequence of events. Cursors grow, and may leave gaps.
    pub cursor: u64,
    /// What it is about; always the type of `payload`.
    pub event_type: EventType,
    /// What happened.
    pub payload: EventPayload,
}

impl EventMessage {
    /// An event at this place in the sequence.
    #[must_use]
    pub fn new(cursor: u64, payload: EventPayload) -> Self {
        Self { cursor, event_type: payload.event_type(), payload }
    }
}

impl Serialize for EventMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.cursor, &self.payload).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (cursor, payload) = Deserialize::deserialize(deserializer)?;
        Ok(Self::new(cursor, payload))
    }
}

/// The answer to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// The cursor of the newest event the host had made when it took the subscription.
    pub cursor: u64,
    /// What can be expected of each type that was asked for, in the order of the request.
    pub events: BoundedVec<EventAvailability, MAX_SUBSCRIBED_TYPES>,
}

/// What can be expected of one event type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAvailability {
    /// The type that was asked for.
    pub event_type: EventType,
    /// Where its events come from.
    pub availability: Availability,
}

tagged_enum! {
    /// Where the events of a type come from on this host.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum Availability {
        /// Every one is reported when it happens.
        1 => Live,
        /// The host looks at intervals: what comes and goes in between is missed.
        2 => Sampled {
            /// How often it looks.
            interval_ms: u64,
        },
        /// The host concludes it from other events.
        3 => Derived,
        /// Modules publish it.
        4 => Published {
            /// The modules that are granted to publish it; none may be running.
            by: BoundedVec<String, MAX_PUBLISHERS>,
        },
        /// No event of this type will come.
        5 => Unavailable {
            /// Why not.
            reason: String,
        },
    }
}
