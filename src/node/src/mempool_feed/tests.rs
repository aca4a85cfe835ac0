//! Feeds whose node tells some changes, hides others, fails, and whose consumer sleeps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use self::fake::{Fake, INTERVAL, block, output, txid};
use super::*;
use crate::mempool::{MempoolEvent, RemovalReason, ResyncCause};

mod fake;

/// Plays events; each must fit what was told before.
#[derive(Default)]
struct Consumer {
    waiting: BTreeSet<Txid>,
    came: usize,
    left: Vec<(Txid, RemovalReason)>,
    resynced: Vec<ResyncCause>,
}

impl Consumer {
    fn play(&mut self, event: MempoolEvent) {
        match event {
            MempoolEvent::Added { txid, transactions, .. } => {
                assert!(self.waiting.insert(txid), "it was there");
                self.came += 1;
                assert_eq!(usize::try_from(transactions).unwrap(), self.waiting.len());
            }
            MempoolEvent::Removed { txid, reason, transactions, .. } => {
                assert!(self.waiting.remove(&txid), "it was not there");
                assert_eq!(usize::try_from(transactions).unwrap(), self.waiting.len());
                self.left.push((txid, reason));
            }
            MempoolEvent::Resynced { cause, .. } => self.resynced.push(cause),
        }
    }

    /// Plays all that is told until nothing has been for some minutes.
    async fn settle(&mut self, following: &mut MempoolFollowing) {
        while let Ok(event) = tokio::time::timeout(Duration::from_secs(300), following.events.recv()).await {
            self.play(event.unwrap());
        }
    }
}

fn live(node: &Fake) -> (Notices, MempoolFollowing) {
    let (notices, heard) = Notices::queue();
    notices.tell(Notice::Subscribed);
    (notices, spawn(node.clone(), Some(heard), INTERVAL))
}

async fn begun(following: &mut MempoolFollowing, wanted: &MempoolSource) {
    following.source.wait_for(|source| source == wanted).await.unwrap();
}

/// What a consumer was told of these changes.
async fn told(changes: impl FnOnce(&Fake, &Notices)) -> Consumer {
    let node = Fake::default();
    let (notices, mut following) = live(&node);
    begun(&mut following, &MempoolSource::Live).await;
    changes(&node, &notices);
    let mut consumer = Consumer::default();
    consumer.settle(&mut following).await;
    assert_eq!(consumer.waiting, node.world().waiting);
    consumer
}

fn tell(notices: &Notices, notice: Option<Notice>) {
    assert!(notices.tell(notice.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn transaction_that_left_was_replaced_only_if_the_next_spends_the_same_output() {
    let both_spend = |node: &Fake| node.world().spends = [1, 2].map(|one| (txid(one), output(7))).into();
    let replaced = told(|node, notices| {
        both_spend(node);
        tell(notices, node.add(1));
    });
    assert!(replaced.await.left.is_empty());

    let node = Fake::default();
    both_spend(&node);
    let (notices, mut following) = live(&node);
    begun(&mut following, &MempoolSource::Live).await;
    let mut consumer = Consumer::default();
    for (number, next) in [(1, 2), (3, 4)] {
        tell(&notices, node.add(number));
        consumer.play(following.events.recv().await.unwrap());
        tell(&notices, node.remove(number));
        tell(&notices, node.add(next));
    }
    tell(&notices, node.remove(4));
    consumer.settle(&mut following).await;
    let by = txid(2);
    let unknown = |number| (txid(number), RemovalReason::Unknown);
    assert_eq!(consumer.left, [(txid(1), RemovalReason::Replaced { by }), unknown(3), unknown(4)]);
    assert!(consumer.resynced.is_empty());
}

#[tokio::test(start_paused = true)]
async fn transactions_of_a_block_are_confirmed_and_its_numbers_are_no_gap() {
    let consumer = told(|node, notices| {
        for number in 1..5 {
            tell(notices, node.add(number));
        }
        notices.tell(node.mine(&[1, 3, 77]));
        tell(notices, node.add(9));
    })
    .await;
    let reason = RemovalReason::Confirmed { block: block(0) };
    assert_eq!(consumer.left, [(txid(1), reason), (txid(3), reason)]);
    assert_eq!((consumer.came, consumer.resynced.len()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn notice_lost_before_the_subscription_was_in_force_is_found_by_the_number_of_the_next_one() {
    let consumer = told(|node, notices| {
        let _lost = (node.add(1), node.add(2));
        tell(notices, node.add(3));
    })
    .await;
    assert_eq!((consumer.came, consumer.resynced), (3, vec![ResyncCause::Gap]));
}

#[tokio::test(start_paused = true)]
async fn lost_notice_is_found_even_where_no_other_follows() {
    let consumer = told(|node, _| {
        let _lost = node.add(1);
    })
    .await;
    assert_eq!(consumer.resynced.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn notices_from_before_the_snapshot_are_not_told_twice() {
    let node = Fake::default();
    let (notices, heard) = Notices::queue();
    notices.tell(Notice::Subscribed);
    // Told after the subscription, and in the snapshot that follows it.
    tell(&notices, node.add(1));
    tell(&notices, node.add(2));
    tell(&notices, node.remove(2));
    let mut following = spawn(node.clone(), Some(heard), INTERVAL);
    begun(&mut following, &MempoolSource::Live).await;
    tell(&notices, node.add(3));
    let event = following.events.recv().await.unwrap();
    assert!(
        matches!(event, MempoolEvent::Added { txid: new, sequence: Some(3), transactions: 2, .. } if new == txid(3))
    );
}

#[tokio::test(start_paused = true)]
async fn consumer_that_sleeps_makes_nothing_grow_and_is_told_what_is_left() {
    let node = Fake::default();
    let (notices, mut following) = live(&node);
    begun(&mut following, &MempoolSource::Live).await;
    // More than both queues hold, and most of it gone again.
    for number in 0..20_000 {
        tell(&notices, node.add(number));
        if number % 10 != 0 {
            tell(&notices, node.remove(number));
        }
        if number % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(following.events.len(), following.events.max_capacity());
    let mut consumer = Consumer::default();
    consumer.settle(&mut following).await;
    assert_eq!(consumer.waiting, node.world().waiting);
    assert!(consumer.resynced.contains(&ResyncCause::Gap));
}

#[tokio::test(start_paused = true)]
async fn without_notices_the_mempool_is_sampled_and_blocks_looked_through() {
    let node = Fake::default();
    node.add(1);
    let mut following = spawn(node.clone(), None, INTERVAL);
    begun(&mut following, &MempoolSource::Sampled { interval: INTERVAL }).await;
    // What was there at the beginning is not told; what comes and goes between two looks is missed.
    let mut consumer = Consumer { waiting: [txid(1)].into(), ..Consumer::default() };
    node.add(2);
    node.add(3);
    node.remove(3);
    consumer.settle(&mut following).await;
    node.mine(&[1]);
    node.mine(&[]);
    consumer.settle(&mut following).await;
    node.mine(&[2]);
    for _ in 0..30 {
        node.mine(&[]);
    }
    consumer.settle(&mut following).await;
    // Too many blocks were mined at once to look through them all.
    let left = [(txid(1), RemovalReason::Confirmed { block: block(0) }), (txid(2), RemovalReason::Unknown)];
    assert_eq!((consumer.came, &consumer.left[..], consumer.resynced.len()), (1, &left[..], 0));
}

#[tokio::test(start_paused = true)]
async fn node_that_fails_is_told_and_what_it_did_meanwhile_too() {
    let node = Fake::default();
    let (notices, mut following) = live(&node);
    begun(&mut following, &MempoolSource::Live).await;
    node.world().failing = true;
    tell(&notices, node.add(1));
    following.source.wait_for(|source| matches!(source, MempoolSource::Lost { .. })).await.unwrap();
    tell(&notices, node.add(2));
    node.world().failing = false;
    begun(&mut following, &MempoolSource::Live).await;
    let mut consumer = Consumer::default();
    consumer.settle(&mut following).await;
    assert_eq!((consumer.came, consumer.resynced), (2, vec![ResyncCause::Gap]));
}

#[tokio::test(start_paused = true)]
async fn feed_ends_when_nobody_listens() {
    let (notices, following) = live(&Fake::default());
    drop(following);
    notices.unheard().await;
    assert!(!notices.tell(Notice::Missed) && !notices.is_heard());
}

/// What the node does next.
#[derive(Debug, Clone)]
enum Act {
    Add(u32),
    Remove(u32),
    Mine(Vec<u32>),
    Undo,
    /// The notice of the next change is lost.
    Lose,
    Disconnect,
    Reconnect,
    Wait(u64),
}

fn acts(with_losses: bool) -> impl Strategy<Value = Vec<Act>> {
    let losses = u32::from(with_losses);
    let act = prop_oneof![
        8 => (0..12_u32).prop_map(Act::Add),
        5 => (0..12_u32).prop_map(Act::Remove),
        2 => prop::collection::vec(0..12_u32, 0..4).prop_map(Act::Mine),
        1 => Just(Act::Undo),
        2 => (0..3000_u64).prop_map(Act::Wait),
        losses => Just(Act::Lose),
        losses => Just(Act::Disconnect),
        losses => Just(Act::Reconnect),
    ];
    prop::collection::vec(act, 0..60)
}

/// Plays `acts`; gives what the consumer was told, and how many transactions came to the node.
fn played(acts: Vec<Act>) -> (Consumer, usize, BTreeSet<Txid>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let node = Fake::default();
        let (notices, mut following) = live(&node);
        begun(&mut following, &MempoolSource::Live).await;
        let (mut came, mut lose, mut connected) = (0, false, true);
        // As with the node's messages, whose numbers show losses once there was one to count from.
        let (mut counted, mut missing) = (false, false);
        let mut consumer = Consumer::default();
        for act in acts {
            let told = match act {
                Act::Add(number) => node.add(number).into_iter().collect(),
                Act::Remove(number) => node.remove(number).into_iter().collect(),
                Act::Mine(numbers) => vec![node.mine(&numbers)],
                Act::Undo => node.undo(),
                Act::Lose => {
                    lose = true;
                    Vec::new()
                }
                Act::Disconnect => {
                    connected = false;
                    notices.tell(Notice::Lost);
                    Vec::new()
                }
                Act::Reconnect => {
                    (connected, counted, missing) = (true, false, false);
                    notices.tell(Notice::Subscribed);
                    Vec::new()
                }
                Act::Wait(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                    while let Ok(event) = following.events.try_recv() {
                        consumer.play(event);
                    }
                    Vec::new()
                }
            };
            for notice in told {
                came += usize::from(matches!(notice, Notice::Added { .. }));
                if std::mem::take(&mut lose) {
                    missing = true;
                } else if connected {
                    if std::mem::take(&mut missing) && counted {
                        notices.tell(Notice::Missed);
                    }
                    notices.tell(notice);
                    counted = true;
                }
            }
        }
        consumer.settle(&mut following).await;
        let waiting = node.world().waiting.clone();
        (consumer, came, waiting)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_the_consumer_ends_with_what_the_node_has(acts in acts(true)) {
        let (consumer, _, waiting) = played(acts);
        prop_assert_eq!(consumer.waiting, waiting);
    }

    #[test]
    fn where_nothing_is_lost_every_change_is_told_and_no_loss_is_claimed(acts in acts(false)) {
        let (consumer, came, waiting) = played(acts);
        prop_assert_eq!((consumer.came, consumer.resynced.len()), (came, 0));
        prop_assert_eq!(consumer.waiting, waiting);
    }
}
