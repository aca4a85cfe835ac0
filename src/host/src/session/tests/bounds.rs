//! What a session may hold, and for how long.

use std::collections::HashSet;

use cofferdam_protocol::RawBlock;
use cofferdam_protocol::codec::MAX_TO_HOST_BYTES;
use tokio::time::{sleep, timeout};

use super::*;

/// Fills the connection of a module that subscribed and does not read, so that nothing more can be written.
pub(super) async fn stuff(stage: &Stage, granted: &[Capability]) -> peer::Peer {
    let mut peer = stage.open(&[&[Capability::SubscribeEvents], granted].concat()).await;
    peer.call(0, subscribe(&[EventType::ModuleUnloaded])).await;
    assert!(peer.response().await.1.is_ok());
    for _ in 0..600 {
        stage.host.hub().publish(unloaded(&"n".repeat(1000)));
    }
    // The clock stands still while anything can be done.
    sleep(Duration::from_millis(1)).await;
    peer
}

#[tokio::test(start_paused = true)]
async fn modules_that_do_not_read_blocks_lose_their_sessions_and_others_get_theirs() {
    let stage = Stage::with_large_replies(2).await;
    stage.node.mine(1).await.unwrap();
    let mut hoarder = stuff(&stage, &[Capability::ReadBlockchain]).await;
    for id in 1..=3 {
        hoarder.call(id, GetBlockByHeight { height: 1 }).await;
    }
    while stage.host.large_replies().available_permits() > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let mut honest = stage.open(&[Capability::ReadBlockchain]).await;
    honest.call(1, GetBlockByHeight { height: 1 }).await;
    let response = timeout(unread::READ_DEADLINE, honest.response()).await.unwrap();
    assert!(matches!(response, (1, Ok(ResponsePayload::GetBlockByHeight(Some(_))))), "{response:?}");
    assert!(matches!(hoarder.end().await, SessionEnd::Unread));
    assert!(matches!(honest.close().await, SessionEnd::Closed));
    assert_eq!(stage.host.large_replies().available_permits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_reads_no_events_makes_nobody_wait_and_keeps_its_session() {
    let stage = Stage::new().await;
    let mut peer = stuff(&stage, &[]).await;
    sleep(Duration::from_secs(3600)).await;
    for cursor in 1..=600 {
        assert_eq!(peer.event().await.cursor, cursor);
    }
}

#[tokio::test]
async fn a_message_longer_than_any_request_ends_the_session_before_it_is_held() {
    assert_eq!(MAX_TO_HOST_BYTES, (4 * 1024 + 256) * 1024);
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    peer.write(&u32::try_from(MAX_TO_HOST_BYTES + 1).unwrap().to_be_bytes()).await;
    assert!(matches!(peer.end().await, SessionEnd::Violation(_)));
}

/// The frame of a call that nobody here may make, with so many bytes in it.
fn large(correlation_id: u64, bytes: usize) -> Vec<u8> {
    let payload = RequestPayload::SubmitBlock { block: RawBlock::new(vec![0; bytes]) };
    let request = cofferdam_protocol::RequestMessage { correlation_id, payload };
    cofferdam_protocol::encode_frame(&cofferdam_protocol::HostMessage::Request(request)).unwrap()
}

#[tokio::test]
async fn the_largest_block_arrives_and_gives_back_its_place() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    for id in 0..6 {
        peer.write(&large(id, 4_000_000)).await;
        assert!(matches!(peer.response().await, (got, Err(ApiError::PermissionDenied { .. })) if got == id));
    }
    assert_eq!(stage.host.large_requests().available_permits(), MAX_LARGE_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn large_messages_that_are_not_finished_hold_their_places_no_longer_than_a_message_may_take() {
    let stage = Stage::new().await;
    let mut hoarders = Vec::new();
    for _ in 0..MAX_LARGE_REQUESTS + 4 {
        let mut hoarder = stage.open(&[]).await;
        let half = large(1, 4_000_000);
        hoarder.write(&half[..20_000]).await;
        hoarders.push(hoarder);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.host.large_requests().available_permits(), 0);
    // Whoever sends what is not large waits for nobody.
    let mut honest = stage.open(&[]).await;
    honest.write(&large(1, 200_000)).await;
    let response = timeout(Duration::from_secs(1), honest.response()).await.unwrap();
    assert!(response.1.is_err());
    // Whoever does waits for the hoarders' sessions to end, which is soon.
    let (answered, written) = tokio::join!(
        timeout(Duration::from_secs(11), async {
            let mut other = stage.open(&[]).await;
            other.write(&large(2, 4_000_000)).await;
            other.response().await
        }),
        async {
            let mut ends = Vec::new();
            for hoarder in hoarders {
                ends.push(hoarder.end().await);
            }
            ends
        }
    );
    assert!(matches!(answered.unwrap(), (2, Err(ApiError::PermissionDenied { .. }))));
    assert!(written.iter().all(|end| end.to_string().contains("begun and not finished within 5 s")));
    assert_eq!(stage.host.large_requests().available_permits(), MAX_LARGE_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_finished_in_time_ends_the_session_with_the_reason() {
    let stage = Stage::new().await;
    for begin in [&[0_u8, 0, 1][..], &[0, 0, 1, 0, 1], &[0, 0, 1, 0]] {
        let mut peer = stage.open(&[]).await;
        peer.write(begin).await;
        let trickle = async {
            for _ in 0..5 {
                sleep(Duration::from_secs(10)).await;
                peer.try_write(&[0]).await;
            }
        };
        trickle.await;
        let end = timeout(Duration::from_secs(1), peer.end()).await.unwrap();
        assert!(end.to_string().ends_with("begun and not finished within 30 s"), "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_may_come_in_pieces_and_long_after_the_one_before() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ReadChainState]).await;
    let payload = RequestPayload::GetChainTip;
    let request = cofferdam_protocol::RequestMessage { correlation_id: 1, payload };
    let frame = cofferdam_protocol::encode_frame(&cofferdam_protocol::HostMessage::Request(request)).unwrap();
    for _ in 0..3 {
        for piece in frame.chunks(4) {
            peer.write(piece).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert!(peer.response().await.1.is_ok());
        sleep(Duration::from_secs(3600)).await;
    }
}

#[tokio::test]
async fn replies_reach_a_module_that_says_no_more_and_still_reads() {
    let stage = Stage::new().await;
    for _ in 0..20 {
        let mut peer = stage.open(&[Capability::ReadChainState]).await;
        for id in 0..50 {
            peer.call(id, GetChainTip {}).await;
        }
        peer.say_no_more().await;
        let mut answered = HashSet::new();
        while let Some(message) = peer.next().await {
            let ModuleMessage::Response(response) = message else { panic!("{message:?}") };
            answered.insert(response.correlation_id);
        }
        assert_eq!(answered.len(), 50);
        assert!(matches!(peer.end().await, SessionEnd::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_says_no_more_and_does_not_read_is_not_waited_for_for_ever() {
    let stage = Stage::new().await;
    let mut peer = stuff(&stage, &[]).await;
    peer.say_no_more().await;
    let end = timeout(Duration::from_secs(60), peer.ended()).await.unwrap();
    assert!(matches!(end, SessionEnd::Closed));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_cost_by_the_type_and_by_the_event_that_is_sent_again() {
    let stage = Stage::new().await;
    for (resume_after, allowed) in [(None, 5000 / 33 + 1), (Some(0), 5000 / 97 + 1)] {
        let mut peer = stage.open(&[Capability::SubscribeEvents]).await;
        let types: Vec<_> = (0..512).map(|tag| EventType::from_tag(1_000_000 + tag)).collect();
        let mut granted = 0;
        loop {
            let event_types = BoundedVec::new(types.clone()).unwrap();
            peer.call(1, SubscribeEvents { event_types, resume_after }).await;
            match peer.response().await.1 {
                Ok(_) => granted += 1,
                Err(error) => break assert!(matches!(error, ApiError::RateLimited { .. }), "{error:?}"),
            }
        }
        assert_eq!(granted, allowed);
    }
}

/// Decoding them takes longer than answering a small call, and a module needs no capability for it.
#[tokio::test(start_paused = true)]
async fn requests_cost_by_their_bytes_also_where_they_are_not_granted() {
    use cofferdam_protocol::calls::StorageTransaction;
    use cofferdam_protocol::storage::StorageOperation;
    let stage = Stage::new().await;
    for (operations, steps) in [(1, 0), (4000, 64 / 4)] {
        let mut peer = stage.open(&[]).await;
        let mut refused = 0;
        loop {
            let remove = StorageOperation::Remove { key: vec![0; 16].into() };
            let operations = BoundedVec::new(vec![remove; operations]).unwrap();
            peer.call(1, StorageTransaction { tree_id: 0, operations }).await;
            match peer.response().await.1 {
                Err(ApiError::RateLimited { .. }) => break,
                other => assert!(matches!(other, Err(ApiError::PermissionDenied { .. })), "{other:?}"),
            }
            refused += 1;
        }
        assert_eq!(refused, 5000_usize.div_ceil(1 + steps), "{operations} operations");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_may_be_as_large_as_two_blocks_has_two_places_until_it_is_read() {
    use cofferdam_protocol::calls::GetMempoolTransactions;
    let stage = Stage::with_large_replies(5).await;
    stage.node.mine(1).await.unwrap();
    let left = || stage.host.large_replies().available_permits();
    let mut hoarder = stuff(&stage, &[Capability::ReadBlockchain, Capability::ReadMempool]).await;
    hoarder.call(1, GetBlockByHeight { height: 1 }).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(left(), 4, "the control");
    hoarder.call(2, GetMempoolTransactions {}).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(left(), 2);
    // It may hold four, so that the next one waits for its own to be read.
    hoarder.call(3, GetMempoolTransactions {}).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(left(), 2);
}

/// What modules can make the core hold, if all of them are hostile and work together: see each constant's reason.
#[test]
fn the_bounds_add_up_to_less_than_the_memory_of_the_core() {
    use crate::dispatch::{MAX_LARGE_IN_ALL, MAX_RELAYED_IN_ALL, MAX_RELAYED_OWN};
    use cofferdam_control::MAX_MODULES;
    use cofferdam_protocol::modules::MAX_CALL_BYTES;
    const BLOCK_BYTES: usize = 4_000_000;
    const KIB: usize = 1024;
    // As policies/core.toml has it.
    const CORE_BYTES: usize = 1024 * KIB * KIB;
    let large_replies = MAX_LARGE_IN_ALL * BLOCK_BYTES;
    // The longest of all take two places; see `ReplySize`.
    assert_eq!(cofferdam_protocol::mempool::MAX_TXIDS * 32, 2 * BLOCK_BYTES);
    // As it was read, and as it was decoded.
    let large_requests = MAX_LARGE_REQUESTS * 2 * MAX_TO_HOST_BYTES;
    // Parameters and answer of each.
    let calls_between_modules = (MAX_RELAYED_IN_ALL + MAX_MODULES * MAX_RELAYED_OWN) * 2 * MAX_CALL_BYTES;
    let each = [
        // The message that is being read.
        input::READ_BYTES + admission::MAX_ORDINARY_BYTES + input::READ_BYTES,
        // Requests that are handled, and replies that wait for being read.
        usize::try_from(admission::BUDGET_KIB).unwrap() * KIB,
        requests::MAX_IN_FLIGHT * (admission::FREE_BYTES + 4 * KIB),
        outbox::MAX_WAITING_PACKET_BYTES,
        crate::events::QUEUE_BYTES,
        // What it reported and offers.
        350 * KIB,
    ];
    let modules = MAX_MODULES * each.iter().sum::<usize>();
    let sum = large_replies + large_requests + calls_between_modules + modules;
    assert!(sum < CORE_BYTES - CORE_BYTES / 16, "{} MiB", sum / KIB / KIB);
}
