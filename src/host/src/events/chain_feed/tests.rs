use bitcoin::hashes::Hash;
use bitcoin::{CompactTarget, TxMerkleNode};
use cofferdam_log::captured::Captured;
use cofferdam_protocol::{EventMessage, ModuleMessage};
use tokio::sync::mpsc;

use super::*;
use crate::events::CHAIN_TYPES;
use crate::session::tests::peer::Stage;

fn left(height: u32) -> ChainEvent {
    ChainEvent::Disconnected { hash: BlockHash::all_zeros(), height }
}

#[tokio::test(start_paused = true)]
async fn blocks_at_the_pace_of_a_network_are_all_logged() {
    let (log, _guard) = Captured::start();
    let mut lines = Lines::new();
    for height in 0..1000 {
        lines.tell_the_operator(&left(height));
        tokio::time::advance(Duration::from_millis(200)).await;
    }
    assert_eq!(log.text().lines().count(), 1000);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_blocks_at_once_are_counted_and_do_not_hide_a_reorganisation() {
    let (log, _guard) = Captured::start();
    let mut lines = Lines::new();
    (0..2000).for_each(|height| lines.tell_the_operator(&left(height)));
    let tip = BlockHash::all_zeros();
    lines.tell_the_operator(&ChainEvent::Reorg { old_tip: tip, new_tip: tip, fork_height: 1, depth: 2000 });
    tokio::time::advance(Duration::from_secs(1)).await;
    lines.tell_the_operator(&left(2000));
    let text = log.text();
    assert_eq!(text.lines().count(), 202, "{text}");
    assert!(text.contains("reorganised") && text.contains("(and 1800 more that were not logged)"), "{text}");
}

fn header(parent: BlockHash, nonce: u32) -> Header {
    Header {
        version: bitcoin::block::Version::TWO,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce,
    }
}

/// What modules hear of a run that begins with `past` behind `point`, while a node reports blocks above `parent` and
/// then that it has caught up.
async fn heard(
    past: Vec<EventPayload>,
    point: ChainPoint,
    parent: ChainPoint,
) -> (Vec<EventMessage>, ChainPoint) {
    let stage = Stage::new().await;
    let hub = Hub::new(0);
    let start = Start { point: Some(point), past, journal: None };
    let mut feed = ChainFeed::new(Node::Embedded(stage.node.clone()), Arc::clone(&hub), start);
    let (events, events_out) = mpsc::channel(8);
    let mut tip = parent;
    for nonce in 0..3 {
        let header = header(tip.hash, nonce);
        tip = ChainPoint { hash: header.block_hash(), height: tip.height + 1 };
        events.send(ChainEvent::Connected { hash: tip.hash, height: tip.height, header }).await.unwrap();
    }
    let (_status, status_out) = watch::channel(NodeStatus::Ready { tip });
    feed.following = Following { events: events_out, status: status_out };
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &CHAIN_TYPES, None).unwrap();
    let running = tokio::spawn(feed.run());
    let mut heard = Vec::new();
    for _ in 0..4 {
        let frame = module.mailbox().next().await;
        let decoded = cofferdam_protocol::decode(&frame[4..]).unwrap();
        let ModuleMessage::Event(event) = decoded else { panic!("{decoded:?}") };
        heard.push(event);
    }
    running.abort();
    (heard, tip)
}

fn point(height: u32) -> ChainPoint {
    ChainPoint { hash: BlockHash::from_byte_array([7; 32]), height }
}

fn left_of(height: u32) -> EventPayload {
    EventPayload::BlockDisconnected { hash: point(height).hash.into(), height }
}

fn is_block(event: &EventMessage) -> bool {
    matches!(event.payload, EventPayload::NewBlock { .. })
}

#[tokio::test]
async fn a_core_that_died_in_the_middle_of_a_reorganisation_tells_it_whole() {
    let (heard, tip) = heard(vec![left_of(12), left_of(11)], point(10), point(10)).await;
    let reorg = EventPayload::ChainReorg {
        old_tip: point(12).hash.into(),
        new_tip: tip.hash.into(),
        fork_height: 10,
        depth: 2,
    };
    assert_eq!(heard[3].payload, reorg);
    assert!(heard[..3].iter().all(is_block), "{heard:?}");
}

#[tokio::test]
async fn blocks_that_nobody_can_tell_are_told_as_missing_before_the_next() {
    let parent = ChainPoint { hash: BlockHash::from_byte_array([9; 32]), height: 500 };
    let (heard, _) = heard(vec![left_of(12)], point(11), parent).await;
    let missing = EventPayload::EventsDropped { from: 1, to: 1, count: 0 };
    assert_eq!(heard[0].payload, missing);
    assert!(heard[1..].iter().all(is_block), "{heard:?}");
}
