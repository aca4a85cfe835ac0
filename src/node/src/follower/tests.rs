//! Follows random block trees whose active chain changes between any two questions.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bitcoin::block::Version;
use bitcoin::hashes::Hash;
use bitcoin::{CompactTarget, TxMerkleNode};
use proptest::prelude::*;

use super::*;

/// Blocks by number; 0 is the genesis block, and a parent always comes before its children.
#[derive(Debug, Clone)]
struct Tree {
    parents: Vec<usize>,
    headers: Vec<Header>,
}

impl Tree {
    fn new(parents: &[usize]) -> Self {
        let mut tree = Self { parents: vec![0], headers: vec![header(BlockHash::all_zeros(), 0)] };
        for (number, parent) in (1..).zip(parents) {
            let parent = parent % tree.headers.len();
            tree.headers.push(header(tree.headers[parent].block_hash(), number));
            tree.parents.push(parent);
        }
        tree
    }

    /// The blocks from the genesis block to `tip`.
    fn path(&self, tip: usize) -> Vec<usize> {
        let mut path = vec![tip];
        while let Some(&number) = path.last().filter(|number| **number != 0) {
            path.push(self.parents[number]);
        }
        path.reverse();
        path
    }

    fn point(&self, number: usize) -> ChainPoint {
        let height = u32::try_from(self.path(number).len() - 1).unwrap();
        ChainPoint { hash: self.headers[number].block_hash(), height }
    }

    fn points(&self, tip: usize) -> Vec<ChainPoint> {
        self.path(tip).into_iter().map(|number| self.point(number)).collect()
    }
}

fn header(prev_blockhash: BlockHash, nonce: u32) -> Header {
    let merkle_root = TxMerkleNode::all_zeros();
    let bits = CompactTarget::from_consensus(0x207f_ffff);
    Header { version: Version::ONE, prev_blockhash, merkle_root, time: 0, bits, nonce }
}

/// A node on `tree`: before each answer it may go over to another tip.
struct World {
    tree: Tree,
    /// The active tip now, and those still to come; the last one stays.
    tips: Mutex<Vec<usize>>,
    /// Blocks the node has no header of.
    forgotten: Vec<BlockHash>,
}

impl World {
    fn new(tree: &Tree, mut tips: Vec<usize>) -> Self {
        tips.reverse();
        Self { tree: tree.clone(), tips: Mutex::new(tips), forgotten: Vec::new() }
    }

    fn active(&self) -> Vec<ChainPoint> {
        let mut tips = self.tips.lock().unwrap_or_else(PoisonError::into_inner);
        let tip = if tips.len() > 1 { tips.pop() } else { tips.last().copied() };
        self.tree.points(tip.unwrap())
    }

    fn settled(&self) -> bool {
        self.tips.lock().unwrap().len() == 1
    }
}

impl ChainView for World {
    async fn best(&self) -> Result<Best, NodeError> {
        Ok(Best { point: *self.active().last().unwrap(), catching_up: false })
    }

    async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, NodeError> {
        Ok(self.active().get(usize::try_from(height).unwrap()).map(|point| point.hash))
    }

    async fn header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        let known = self.tree.headers.iter().find(|header| header.block_hash() == hash);
        Ok(known.copied().filter(|_| !self.forgotten.contains(&hash)))
    }
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the follower waited for something that is not its view"),
    }
}

/// What a consumer knows from events alone.
struct Consumer {
    chain: Vec<ChainPoint>,
    /// The chain before the first block that left and has not come back.
    before: Option<Vec<ChainPoint>>,
}

impl Consumer {
    fn play(&mut self, event: ChainEvent) {
        let tip = *self.chain.last().unwrap();
        match event {
            ChainEvent::Connected { hash, height, header } => {
                assert_eq!((header.block_hash(), header.prev_blockhash), (hash, tip.hash));
                assert_eq!(height, tip.height + 1);
                self.chain.push(ChainPoint { hash, height });
                let chain = &self.chain;
                self.before.take_if(|before| chain.starts_with(before));
            }
            ChainEvent::Disconnected { hash, height } => {
                assert_eq!(ChainPoint { hash, height }, tip);
                self.before.get_or_insert_with(|| self.chain.clone());
                self.chain.pop();
            }
            ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
                let before = self.before.take().expect("nothing had left the chain");
                let shared = before.iter().zip(&self.chain).take_while(|(old, new)| old == new).count();
                assert!(self.chain.len() > shared, "nothing was put in the place of what left");
                assert_eq!(usize::try_from(fork_height).unwrap(), shared - 1);
                assert_eq!(usize::try_from(depth).unwrap(), before.len() - shared);
                assert_eq!((before.last().unwrap().hash, tip.hash), (old_tip, new_tip));
            }
        }
    }
}

prop_compose! {
    fn tree_and_tips()(parents in prop::collection::vec(any::<usize>(), 1..40))
        (tips in prop::collection::vec(0..=parents.len(), 1..60),
         start in 0..=parents.len(),
         parents in Just(parents)) -> (Tree, usize, Vec<usize>) {
        (Tree::new(&parents), start, tips)
    }
}

proptest! {
    #[test]
    fn events_lead_from_any_block_to_the_nodes_tip_while_it_moves((tree, start, tips) in tree_and_tips()) {
        let last = *tips.last().unwrap();
        let world = World::new(&tree, tips);
        let mut follower = Follower::new(tree.point(start));
        let mut consumer = Consumer { chain: tree.points(start), before: None };
        loop {
            match now(follower.step(&world)).unwrap() {
                Step::Event(event) => consumer.play(event),
                Step::Moved => {}
                Step::CaughtUp if world.settled() => break,
                Step::CaughtUp => {}
            }
        }
        // The view may have settled on the step that ended the loop: one more round must change nothing else.
        while let Step::Event(event) = now(follower.step(&world)).unwrap() {
            consumer.play(event);
        }
        prop_assert_eq!(consumer.chain, tree.points(last));
        let unfinished = consumer.before.is_none_or(|before| before.starts_with(&tree.points(last)));
        prop_assert!(unfinished, "a replaced chain was not announced as a reorganisation");
    }

    #[test]
    fn failed_step_changes_nothing((tree, start, tips) in tree_and_tips()) {
        let mut world = World::new(&tree, tips);
        world.forgotten = tree.headers.iter().map(Header::block_hash).collect();
        let mut follower = Follower::new(tree.point(start));
        for _ in 0..80 {
            let tip = follower.tip();
            if now(follower.step(&world)).is_err() {
                prop_assert_eq!(follower.tip(), tip);
                prop_assert!(follower.reorg.is_none());
            }
        }
    }
}

#[test]
fn reorganisation_gives_disconnected_from_the_top_then_connected_then_reorg() {
    // 0 - 1 - 2 - 3
    //      \- 4 - 5 - 6
    let tree = Tree::new(&[0, 1, 2, 1, 4, 5]);
    let world = World::new(&tree, vec![6]);
    let mut follower = Follower::new(tree.point(3));
    let mut told = Vec::new();
    while let Step::Event(event) = now(follower.step(&world)).unwrap() {
        told.push(event);
    }
    let hash = |number: usize| tree.point(number).hash;
    let connected = |number: usize, height| ChainEvent::Connected {
        hash: hash(number),
        height,
        header: tree.headers[number],
    };
    let expected = [
        ChainEvent::Disconnected { hash: hash(3), height: 3 },
        ChainEvent::Disconnected { hash: hash(2), height: 2 },
        connected(4, 2),
        connected(5, 3),
        connected(6, 4),
        ChainEvent::Reorg { old_tip: hash(3), new_tip: hash(6), fork_height: 1, depth: 2 },
    ];
    assert_eq!(told, expected);
}

#[test]
fn blocks_that_leave_and_come_back_are_no_reorganisation() {
    let tree = Tree::new(&[0, 1, 2]);
    let mut follower = Follower::new(tree.point(3));
    let lower = World::new(&tree, vec![1]);
    for _ in 0..2 {
        assert!(matches!(now(follower.step(&lower)), Ok(Step::Event(ChainEvent::Disconnected { .. }))));
    }
    assert_eq!(now(follower.step(&lower)), Ok(Step::CaughtUp));
    let again = World::new(&tree, vec![3]);
    for _ in 0..2 {
        assert!(matches!(now(follower.step(&again)), Ok(Step::Event(ChainEvent::Connected { .. }))));
    }
    assert_eq!(now(follower.step(&again)), Ok(Step::CaughtUp));
}

#[test]
fn block_the_node_never_had_is_lost_track_and_not_a_guess() {
    let tree = Tree::new(&[0, 0]);
    let mut world = World::new(&tree, vec![2]);
    let start = tree.point(1);
    world.forgotten = vec![start.hash];
    let error = now(Follower::new(start).step(&world)).unwrap_err();
    assert_eq!(error, NodeError::LostTrack { hash: start.hash, height: 1 });
}

#[test]
fn another_genesis_block_is_another_chain() {
    let tree = Tree::new(&[]);
    let world = World::new(&tree, vec![0]);
    let foreign = ChainPoint { hash: BlockHash::all_zeros(), height: 0 };
    let error = now(Follower::new(foreign).step(&world)).unwrap_err();
    assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
}
