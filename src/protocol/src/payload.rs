//! What an event carries, and what a subscription is answered with.
//!
//! An event has no field that differs between subscribers, so that the host encodes it once and shares the
//! bytes. The tag of a payload is the tag of its event type: the two cannot disagree on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bounded::BoundedVec;
use crate::calls::MAX_SUBSCRIBED_TYPES;
use crate::events::EventType;
use crate::hash::BlockHash;
use crate::raw::RawHeader;

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

tagged_enum! {
    /// What happened. A variant's tag is that of the event type with its name.
    #[derive(Debug, Clone, PartialEq)]
    #[non_exhaustive]
    pub enum EventPayload {
        /// A block was connected to the best chain.
        1 => NewBlock {
            /// Its hash.
            hash: BlockHash,
            /// Its height.
            height: u32,
            /// Its header.
            header: RawHeader,
        },
        /// A block was disconnected from the best chain.
        3 => BlockDisconnected {
            /// Its hash.
            hash: BlockHash,
            /// The height it had.
            height: u32,
        },
        /// The best chain changed to another branch; sent after the blocks of that change.
        4 => ChainReorg {
            /// The best block before.
            old_tip: BlockHash,
            /// The best block now.
            new_tip: BlockHash,
            /// The height of the last block that both branches share.
            fork_height: u32,
            /// How many blocks were disconnected.
            depth: u32,
        },
        /// A module is loaded and connected.
        400 => ModuleLoaded {
            /// Its name.
            name: String,
            /// Its version.
            version: String,
        },
        /// A module was unloaded.
        401 => ModuleUnloaded {
            /// Its name.
            name: String,
        },
        /// A module ended without being asked to.
        402 => ModuleCrashed {
            /// Its name.
            name: String,
            /// How it ended.
            reason: String,
        },
        /// The node shuts down.
        502 => NodeShutdown {
            /// How long the module has before it is killed.
            grace_ms: u64,
        },
        /// Events were lost because this module read too slowly. Its cursor is that of the last one lost.
        2000 => EventsDropped {
            /// The cursor of the first lost event.
            from: u64,
            /// The cursor of the last lost event.
            to: u64,
            /// How many were lost.
            count: u64,
        },
    }
}

impl EventPayload {
    /// The event type this payload belongs to.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::NewBlock { .. } => EventType::NewBlock,
            Self::BlockDisconnected { .. } => EventType::BlockDisconnected,
            Self::ChainReorg { .. } => EventType::ChainReorg,
            Self::ModuleLoaded { .. } => EventType::ModuleLoaded,
            Self::ModuleUnloaded { .. } => EventType::ModuleUnloaded,
            Self::ModuleCrashed { .. } => EventType::ModuleCrashed,
            Self::NodeShutdown { .. } => EventType::NodeShutdown,
            Self::EventsDropped { .. } => EventType::EventsDropped,
        }
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
