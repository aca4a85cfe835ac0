//! The newest events of one kind, kept to be sent again. It knows what it has forgotten, and never guesses how
//! much that was.

use std::collections::VecDeque;

use super::EncodedEvent;

/// Events in the order of their cursors, bounded in number and bytes.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<EncodedEvent>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
    /// Every event of this kind after this cursor is kept.
    complete_after: u64,
}

impl Ring {
    /// A ring that has no event, and is missing all up to `complete_after`.
    pub(super) fn new(complete_after: u64, max_events: usize, max_bytes: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, max_events, max_bytes, complete_after }
    }

    /// Adds the newest event; the oldest ones give way to it.
    pub(super) fn push(&mut self, event: EncodedEvent) {
        self.bytes = self.bytes.saturating_add(event.frame.len());
        self.events.push_back(event);
        while self.events.len() > self.max_events || self.bytes > self.max_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.frame.len());
            self.complete_after = oldest.cursor;
        }
    }

    /// Every event of this kind after this cursor is kept.
    pub(super) fn complete_after(&self) -> u64 {
        self.complete_after
    }

    /// Takes note that events up to `cursor`, which is above all that are kept, were lost before they came here.
    pub(super) fn forget_up_to(&mut self, cursor: u64) {
        self.events.clear();
        self.bytes = 0;
        self.complete_after = cursor;
    }

    /// The events after `cursor` that are kept.
    pub(super) fn after(&self, cursor: u64) -> impl Iterator<Item = &EncodedEvent> + Clone {
        self.events.range(self.events.partition_point(|event| event.cursor <= cursor)..)
    }

    /// How many are kept whose cursors are `from` to `to`.
    pub(super) fn count(&self, from: u64, to: u64) -> usize {
        let below = |cursor: u64| self.events.partition_point(|event| event.cursor < cursor);
        below(to.saturating_add(1)).saturating_sub(below(from))
    }
}
