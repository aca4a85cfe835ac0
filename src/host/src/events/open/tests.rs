#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

use std::fs;
use std::time::Duration;

use cofferdam_log::captured::Captured;
use cofferdam_node::embedded::Payout;
use cofferdam_node::{ChainPoint, Embedded, EmbeddedSettings};
use cofferdam_protocol::{EventMessage, EventPayload, ModuleMessage};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::events::{Attachment, CHAIN_TYPES};

/// One run of the core, as far as it announces the chain.
struct Run {
    hub: Arc<Hub>,
    feed: JoinHandle<()>,
    tip: watch::Receiver<Option<ChainPoint>>,
}

impl Run {
    async fn start(node: &Embedded, state_dir: &Path) -> Self {
        let (hub, feed) = open(&Node::Embedded(node.clone()), state_dir).await;
        let tip = feed.tip();
        Self { hub, tip, feed: tokio::spawn(feed.run()) }
    }

    /// Waits until this block is announced.
    async fn reaches(&mut self, tip: ChainPoint) {
        self.tip.wait_for(|now| *now == Some(tip)).await.unwrap();
    }

    fn subscribe(&self, after: Option<u64>) -> Attachment {
        let module = self.hub.attach();
        self.hub.subscribe(module.mailbox(), &CHAIN_TYPES, after).unwrap();
        module
    }

    /// What a module hears that resumes after a cursor, up to an event that ends the test.
    async fn resumed(&self, after: u64) -> Vec<EventMessage> {
        let module = self.subscribe(Some(after));
        self.hub.say_farewell(1);
        let mut heard = Vec::new();
        loop {
            let event = decode(&module.mailbox().next().await);
            if matches!(event.payload, EventPayload::NodeShutdown { .. }) {
                return heard;
            }
            heard.push(event);
        }
    }

    async fn die(self) {
        self.feed.abort();
        let _ = self.feed.await;
    }
}

async fn chain() -> (tempfile::TempDir, Embedded) {
    let dir = tempfile::tempdir().unwrap();
    let settings =
        EmbeddedSettings { dir: dir.path().join("chain"), block_interval: None, payout: Payout::default() };
    let node = Embedded::open(settings).await.unwrap();
    (dir, node)
}

fn decode(frame: &bytes::Bytes) -> EventMessage {
    match cofferdam_protocol::decode(&frame[4..]).unwrap() {
        ModuleMessage::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

fn heights(events: &[EventMessage]) -> Vec<u32> {
    let height = |event: &EventMessage| match event.payload {
        EventPayload::NewBlock { height, .. } => Some(height),
        _ => None,
    };
    events.iter().filter_map(height).collect()
}

fn journal(dir: &tempfile::TempDir) -> std::path::PathBuf {
    dir.path().join(DIRECTORY).join("journal")
}

#[tokio::test]
async fn blocks_that_came_while_the_core_was_down_are_announced_after_its_restart() {
    let (dir, node) = chain().await;
    let mut first = Run::start(&node, dir.path()).await;
    first.reaches(node.mine(0).await.unwrap()).await;
    let module = first.subscribe(None);
    first.reaches(node.mine(3).await.unwrap()).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(decode(&module.mailbox().next().await));
    }
    first.die().await;

    let tip = node.mine(4).await.unwrap();
    let mut second = Run::start(&node, dir.path()).await;
    second.reaches(tip).await;
    let resumed = second.resumed(heard[0].cursor).await;
    assert_eq!(resumed[..2], heard[1..], "what was announced before has the same cursor");
    assert_eq!(heights(&resumed), [2, 3, 4, 5, 6, 7]);
    assert!(resumed.is_sorted_by_key(|event| event.cursor));
}

#[tokio::test]
async fn a_block_that_came_while_the_core_was_down_for_the_first_time_is_announced_too() {
    let (dir, node) = chain().await;
    let mut first = Run::start(&node, dir.path()).await;
    let start = node.mine(1).await.unwrap();
    first.reaches(start).await;
    first.die().await;
    let mut second = Run::start(&node, dir.path()).await;
    let tip = node.mine(1).await.unwrap();
    second.reaches(tip).await;
    assert_eq!(heights(&second.resumed(0).await).last(), Some(&tip.height));
    second.die().await;
}

#[tokio::test]
async fn a_reorganisation_that_happened_while_the_core_was_down_is_told_whole() {
    let (dir, node) = chain().await;
    let mut first = Run::start(&node, dir.path()).await;
    first.reaches(node.mine(0).await.unwrap()).await;
    let old_tip = node.mine(5).await.unwrap();
    first.reaches(old_tip).await;
    first.die().await;
    let new_tip = node.reorganise(2).await.unwrap();
    let mut second = Run::start(&node, dir.path()).await;
    second.reaches(new_tip).await;
    // The reorganisation is told after its last block.
    let mut told = Vec::new();
    while told.len() < 5 + 2 + 3 + 1 {
        told = second.resumed(0).await.into_iter().filter(|event| !is_dropped(event)).collect();
        tokio::task::yield_now().await;
    }
    let reorg = EventPayload::ChainReorg {
        old_tip: old_tip.hash.into(),
        new_tip: new_tip.hash.into(),
        fork_height: 3,
        depth: 2,
    };
    assert_eq!(told.last().unwrap().payload, reorg);
    assert_eq!(heights(&told), [1, 2, 3, 4, 5, 4, 5, 6]);
}

fn is_dropped(event: &EventMessage) -> bool {
    matches!(event.payload, EventPayload::EventsDropped { .. })
}

#[tokio::test]
async fn wherever_the_core_died_in_its_writing_each_block_is_told_once_and_none_is_missing() {
    let (dir, node) = chain().await;
    let mut first = Run::start(&node, dir.path()).await;
    first.reaches(node.mine(0).await.unwrap()).await;
    let before = fs::read(journal(&dir)).unwrap().len();
    for _ in 0..3 {
        first.reaches(node.mine(1).await.unwrap()).await;
    }
    let announced = first.resumed(0).await;
    first.die().await;
    let whole = fs::read(journal(&dir)).unwrap();
    for length in (before..=whole.len()).step_by(11).chain([whole.len()]) {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join(DIRECTORY)).unwrap();
        fs::write(journal(&state), &whole[..length]).unwrap();
        let mut next = Run::start(&node, state.path()).await;
        next.reaches(node.mine(0).await.unwrap()).await;
        let told: Vec<_> = next.resumed(announced[0].cursor - 1).await;
        assert_eq!(heights(&told), [1, 2, 3], "{length}");
        for (event, earlier) in told.iter().zip(&announced) {
            assert!(event.cursor == earlier.cursor || event.cursor > announced[2].cursor, "{length}");
        }
        next.die().await;
    }
}

#[tokio::test]
async fn a_damaged_journal_is_told_and_put_aside_and_who_resumes_is_told_what_is_missing() {
    let (log, _guard) = Captured::start();
    let (dir, node) = chain().await;
    fs::create_dir(dir.path().join(DIRECTORY)).unwrap();
    fs::write(journal(&dir), "the notes of somebody else").unwrap();
    let mut run = Run::start(&node, dir.path()).await;
    run.reaches(node.mine(0).await.unwrap()).await;
    run.reaches(node.mine(1).await.unwrap()).await;
    let told = run.resumed(17).await;
    let EventPayload::EventsDropped { from: 18, to, count: 0 } = told[0].payload else { panic!("{told:?}") };
    assert!(to < told[1].cursor);
    assert!(log.text().contains("<state_dir>/core/events/journal") && log.text().contains("put aside"));
    assert!(dir.path().join(DIRECTORY).join("journal.damaged").exists());
}

#[tokio::test]
async fn a_disk_that_takes_no_journal_keeps_nobody_from_hearing_of_blocks() {
    let (log, _guard) = Captured::start();
    let (dir, node) = chain().await;
    fs::write(dir.path().join(DIRECTORY), "a file where the directory should be").unwrap();
    let mut run = Run::start(&node, dir.path()).await;
    let module = run.subscribe(None);
    run.reaches(node.mine(0).await.unwrap()).await;
    run.reaches(node.mine(1).await.unwrap()).await;
    assert!(matches!(
        decode(&module.mailbox().next().await).payload,
        EventPayload::NewBlock { height: 1, .. }
    ));
    assert!(log.text().contains("cannot be written"), "{}", log.text());
}

#[tokio::test]
async fn a_node_on_another_chain_begins_anew_with_cursors_above_all_before() {
    let (dir, node) = chain().await;
    let (past, _) = {
        let begin = Begin { complete_after: 1, first: u64::MAX / 2, chain: "regtest".to_owned() };
        Journal::start(dir.path().join(DIRECTORY), begin, None, Vec::new())
    };
    drop(past);
    let run = Run::start(&node, dir.path()).await;
    let module = run.hub.attach();
    let cursor = run.hub.subscribe(
        module.mailbox(),
        &[EventPayload::EventsDropped { from: 0, to: 0, count: 0 }.event_type()],
        None,
    );
    assert!(cursor.unwrap() > u64::MAX / 2);
}

#[tokio::test]
async fn that_the_node_has_started_is_told_once_and_with_its_tip() {
    let (dir, node) = chain().await;
    let tip = node.mine(2).await.unwrap();
    let (hub, feed) = open(&Node::Embedded(node.clone()), dir.path()).await;
    let module = hub.attach();
    let started = cofferdam_protocol::EventType::NodeStartupCompleted;
    hub.subscribe(module.mailbox(), &[started], None).unwrap();
    let running = tokio::spawn(feed.run());
    let told = decode(&module.mailbox().next().await);
    assert_eq!(told.payload, EventPayload::NodeStartupCompleted { tip: tip.hash.into(), height: 2 });
    node.mine(1).await.unwrap();
    let again = tokio::time::timeout(Duration::from_millis(200), module.mailbox().next()).await;
    assert!(again.is_err());
    running.abort();
}
