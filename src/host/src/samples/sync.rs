//! How far the node is with the chain. A phase counts when it is seen twice in a row: a node that hears of a new
//! block lacks it for a moment, and that is no synchronisation.

use cofferdam_node::{Node, SyncPhase, SyncStatus};
use cofferdam_protocol::{EventPayload, EventType};

use super::{every, ticks};
use crate::api::sync_status_as_it_travels;
use crate::events::Hub;

/// The types that this is about.
pub(super) const TYPES: &[EventType] = &[
    EventType::SyncStateChanged,
    EventType::BlockSyncStarted,
    EventType::BlockSyncProgress,
    EventType::BlockSyncCompleted,
];

/// Tells what the node does about the chain, after the first look.
pub(super) async fn look(node: &Node, hub: &Hub) {
    let mut ticks = ticks(every::SYNC);
    let mut watch = Watch::default();
    loop {
        ticks.tick().await;
        let Ok(status) = node.sync_status().await else { continue };
        watch.next(status).into_iter().for_each(|event| {
            hub.publish(event);
        });
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Watch {
    /// The phase that counts, and the blocks that were told with it.
    settled: Option<(SyncPhase, u32)>,
    /// The phase of the last look.
    last: Option<SyncPhase>,
}

impl Watch {
    fn next(&mut self, status: SyncStatus) -> Vec<EventPayload> {
        let twice = self.last.replace(status.phase) == Some(status.phase);
        let Some((phase, blocks)) = self.settled else {
            self.settled = Some((status.phase, status.blocks));
            return Vec::new();
        };
        let told = || sync_status_as_it_travels(status);
        if status.phase == phase {
            let goes_on = phase == SyncPhase::Blocks && status.blocks != blocks;
            self.settled = Some((phase, status.blocks));
            return goes_on.then(|| EventPayload::BlockSyncProgress { status: told() }).into_iter().collect();
        }
        if !twice {
            return Vec::new();
        }
        self.settled = Some((status.phase, status.blocks));
        let mut events = vec![EventPayload::SyncStateChanged { status: told() }];
        match (phase, status.phase) {
            (_, SyncPhase::Blocks) => events.push(EventPayload::BlockSyncStarted { status: told() }),
            (SyncPhase::Blocks, SyncPhase::Synced) => {
                events.push(EventPayload::BlockSyncCompleted { status: told() });
            }
            (SyncPhase::Headers | SyncPhase::Synced, _) | (SyncPhase::Blocks, SyncPhase::Headers) => {}
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(looks: &[(SyncPhase, u32)]) -> Vec<&'static str> {
        let mut watch = Watch::default();
        let status = |(phase, blocks): &(SyncPhase, u32)| SyncStatus {
            phase: *phase,
            blocks: *blocks,
            headers: 900,
            progress: 0.5,
            initial_block_download: true,
            unverified_snapshot: false,
        };
        let events = looks.iter().flat_map(|look| watch.next(status(look)));
        events.map(|event| event.event_type().as_str()).collect()
    }

    #[test]
    fn a_synchronisation_is_told_from_its_start_to_its_end() {
        use SyncPhase::{Blocks, Synced};
        let looks =
            [(Synced, 1), (Blocks, 1), (Blocks, 2), (Blocks, 9), (Blocks, 9), (Synced, 900), (Synced, 900)];
        let told = [
            "SyncStateChanged",
            "BlockSyncStarted",
            "BlockSyncProgress",
            "SyncStateChanged",
            "BlockSyncCompleted",
        ];
        assert_eq!(names(&looks), told);
    }

    #[test]
    fn a_node_that_has_just_heard_of_a_block_is_not_told_to_be_synchronising() {
        use SyncPhase::{Blocks, Synced};
        assert!(names(&[(Synced, 1), (Blocks, 1), (Synced, 2), (Blocks, 2), (Synced, 3)]).is_empty());
    }
}
