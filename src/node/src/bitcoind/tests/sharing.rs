//! Several callers and the follower at one node: none keeps the others from it.

use tokio::task::{JoinSet, yield_now};

use super::*;

fn mine() -> BlockHash {
    BlockHash::from_byte_array([1; 32])
}

fn theirs() -> BlockHash {
    BlockHash::from_byte_array([2; 32])
}

/// A node that answers each block it is asked for with `say` and counts the questions for [`theirs`].
async fn node(say: fn(BlockHash) -> Say) -> (Bitcoind, Arc<AtomicUsize>) {
    let asked_theirs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked_theirs);
    let address = play(move |method, params, _| {
        let asked = [mine(), theirs()].into_iter().find(|hash| params[0] == json!(hash));
        if asked == Some(theirs()) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        asked.map_or_else(|| honest(method, params), say)
    });
    (client(address.await, secret("a:b")), asked_theirs)
}

async fn until(count: &AtomicUsize, least: usize) {
    while count.load(Ordering::SeqCst) < least {
        yield_now().await;
    }
}

#[tokio::test]
async fn call_waits_for_few_calls_of_a_caller_that_has_made_many() {
    let (greedy, count) = node(|_| Say::Result(json!("00"))).await;
    let neighbour = greedy.for_caller();
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let greedy = greedy.clone();
        calls.spawn(async move { greedy.block_header(theirs()).await });
    }
    until(&count, 1).await;
    let before = count.load(Ordering::SeqCst);
    // Whatever the answer is worth, it came.
    assert!(neighbour.block_header(mine()).await.is_err());
    let during = count.load(Ordering::SeqCst) - before;
    // While the neighbour's connection is made and identified, which takes five questions, others are asked.
    assert!(during <= 24, "{during} calls of another came first");
}

#[tokio::test]
async fn blocks_that_do_not_come_hold_up_no_small_call_and_not_the_follower() {
    let (node, count) = node(|_| Say::Never).await;
    let mut waiting = JoinSet::new();
    for caller in [node.for_caller(), node.for_caller(), node.for_caller()] {
        for _ in 0..4 {
            let caller = caller.clone();
            waiting.spawn(async move { caller.block(theirs()).await });
        }
        // Who waits for a block may still ask what is small.
        let small = caller.clone();
        until(&count, 1).await;
        assert!(small.chain_info().await.is_ok());
    }
    until(&count, 2).await;
    assert!(node.for_caller().chain_info().await.is_ok());
    let mut following = node.follow(None);
    following.status.wait_for(|status| matches!(status, NodeStatus::Ready { .. })).await.unwrap();
    assert!(waiting.try_join_next().is_none(), "a block came, or was given up");
}

#[tokio::test]
async fn caller_whose_blocks_do_not_come_leaves_its_neighbour_a_place_for_blocks() {
    let (stuck, count) = node(|asked| match asked == mine() {
        true => Say::Result(json!("00")),
        false => Say::Never,
    })
    .await;
    let mut waiting = JoinSet::new();
    for _ in 0..4 {
        let stuck = stuck.clone();
        waiting.spawn(async move { stuck.block(theirs()).await });
    }
    until(&count, 1).await;
    assert!(matches!(stuck.for_caller().block(mine()).await, Err(NodeError::Malformed { .. })));
    assert!(waiting.try_join_next().is_none(), "a block came, or was given up");
}
