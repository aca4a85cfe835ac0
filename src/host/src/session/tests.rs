#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

mod bounds;
mod colluding;
mod exchange;
mod invocations;
pub(crate) mod peer;
mod services;

use std::time::Duration;

use cofferdam_manifest::Capability;
use cofferdam_protocol::calls::{GetBlockByHeight, GetChainTip, GetUtxo, Log, SubscribeEvents};
use cofferdam_protocol::{
    ApiError, BoundedVec, EventPayload, EventType, LogLevel, ModuleMessage, OutPoint, RequestPayload,
    ResponsePayload, Txid,
};
use proptest::prelude::*;

use self::peer::{Stage, hello};
use super::*;
use cofferdam_log::captured::Captured;

fn get_utxo() -> GetUtxo {
    GetUtxo { outpoint: OutPoint { txid: Txid::from_bytes([7; 32]), vout: 0 } }
}

fn subscribe(types: &[EventType]) -> SubscribeEvents {
    SubscribeEvents { event_types: BoundedVec::new(types.to_vec()).unwrap(), resume_after: None }
}

fn unloaded(name: &str) -> EventPayload {
    EventPayload::ModuleUnloaded { name: name.to_owned() }
}

#[tokio::test]
async fn a_module_that_says_it_is_another_is_refused_and_its_session_ends() {
    let stage = Stage::new().await;
    let mut peer = stage.connect(&[]);
    peer.send_hello(cofferdam_protocol::Hello { module_name: "other".to_owned(), ..hello() }).await;
    let Some(ModuleMessage::Refused(Refusal::IdentityMismatch { field, claimed, expected })) =
        peer.next().await
    else {
        panic!("not refused")
    };
    assert_eq!([field, claimed, expected], ["name", "other", "block-watch"]);
    assert!(matches!(peer.end().await, SessionEnd::Refused(_)));
}

#[tokio::test]
async fn a_request_before_the_handshake_is_refused() {
    let stage = Stage::new().await;
    let mut peer = stage.connect(&[]);
    peer.call(1, GetChainTip {}).await;
    assert!(matches!(peer.next().await, Some(ModuleMessage::Refused(Refusal::Other { .. }))));
    assert!(matches!(peer.end().await, SessionEnd::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_module_that_never_speaks_is_not_waited_for_for_ever() {
    let stage = Stage::new().await;
    let peer = stage.connect(&[]);
    assert!(matches!(peer.end().await, SessionEnd::NoHandshake));
}

#[tokio::test]
async fn a_refused_call_is_a_reply_and_a_log_line_and_the_session_goes_on() {
    let (log, _guard) = Captured::start();
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ReadChainState]).await;
    peer.call(1, get_utxo()).await;
    let denied =
        ApiError::PermissionDenied { capability: "read_utxo".to_owned(), call: "get_utxo".to_owned() };
    assert_eq!(peer.response().await, (1, Err(denied)));
    peer.call(2, GetChainTip {}).await;
    assert!(matches!(peer.response().await, (2, Ok(ResponsePayload::GetChainTip(_)))));
    assert!(log.text().contains("block-watch: refused get_utxo: needs read_utxo\n"), "{}", log.text());
}

#[tokio::test]
async fn refusals_beyond_a_few_are_counted_and_not_logged() {
    let (log, _guard) = Captured::start();
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    for id in 0..40 {
        peer.call(id, get_utxo()).await;
        assert!(peer.response().await.1.is_err());
    }
    assert_eq!(log.text().matches("refused get_utxo").count(), 8);
}

#[tokio::test]
async fn what_a_module_logs_appears_under_its_name_and_cannot_forge_a_line() {
    let (log, _guard) = Captured::start();
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    let message = "hi\ncore: all is well".to_owned();
    peer.call(1, Log { level: LogLevel::Warn, message }).await;
    assert_eq!(peer.response().await, (1, Ok(ResponsePayload::Log(()))));
    assert!(log.text().contains("block-watch: says (warn): hi\\ncore: all is well\n"), "{}", log.text());
}

#[tokio::test]
async fn a_malformed_frame_ends_only_the_session_it_came_from() {
    let stage = Stage::new().await;
    let mut good = stage.open(&[Capability::ReadChainState]).await;
    let mut bad = stage.open(&[]).await;
    bad.write(&[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]).await;
    assert!(matches!(bad.end().await, SessionEnd::Violation(_)));
    good.call(1, GetChainTip {}).await;
    assert!(good.response().await.1.is_ok());
}

#[tokio::test]
async fn a_length_over_the_limit_ends_the_session_before_any_of_it_is_read() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    peer.write(&u32::MAX.to_be_bytes()).await;
    assert!(matches!(peer.end().await, SessionEnd::Violation(_)));
}

#[tokio::test]
async fn a_call_of_a_later_protocol_is_answered_and_the_session_goes_on() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ReadChainState]).await;
    let mut body = 2_u32.to_le_bytes().to_vec();
    body.extend(77_u64.to_le_bytes());
    body.extend(9999_u32.to_le_bytes());
    peer.write(&u32::try_from(body.len()).unwrap().to_be_bytes()).await;
    peer.write(&body).await;
    assert!(matches!(peer.response().await, (77, Err(ApiError::Unsupported { .. }))));
    peer.call(78, GetChainTip {}).await;
    assert!(peer.response().await.1.is_ok());
}

#[tokio::test]
async fn many_calls_in_flight_are_all_answered() {
    let stage = Stage::new().await;
    stage.node.mine(1).await.unwrap();
    let mut peer = stage.open(&[Capability::ReadBlockchain]).await;
    let mut waiting: std::collections::HashSet<u64> = (0..200).collect();
    for id in 0..200 {
        peer.call(id, GetBlockByHeight { height: 1 }).await;
    }
    while !waiting.is_empty() {
        let (id, result) = peer.response().await;
        assert!(matches!(result, Ok(ResponsePayload::GetBlockByHeight(Some(_)))));
        assert!(waiting.remove(&id), "{id} answered twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_reads_no_replies_is_not_read_from_any_further() {
    let stage = Stage::new().await;
    let peer = stage.open(&[Capability::ReadChainState]).await;
    let (_read, mut write) = peer.into_stream().into_split();
    let call = cofferdam_protocol::encode_frame(&cofferdam_protocol::HostMessage::Request(
        cofferdam_protocol::RequestMessage { correlation_id: 1, payload: RequestPayload::GetChainTip },
    ))
    .unwrap();
    // More than the buffers of both directions and all calls in flight hold: writing must get stuck.
    let flood = async {
        for _ in 0..200_000 {
            tokio::io::AsyncWriteExt::write_all(&mut write, &call).await.unwrap();
        }
    };
    // The clock stands still until nobody has anything left to do.
    assert!(tokio::time::timeout(Duration::from_secs(600), flood).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_rate_are_told_when_to_come_back() {
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::ReadChainState]).await;
    let mut limited = None;
    for id in 0..6000 {
        peer.call(id, GetChainTip {}).await;
        if let (_, Err(error)) = peer.response().await {
            limited = Some(error);
            break;
        }
    }
    assert_eq!(limited, Some(ApiError::RateLimited { retry_after_ms: 1 }));
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_lost_and_nobody_else_loses_anything() {
    const EVENTS: u64 = 6000;
    let stage = Stage::new().await;
    let granted = [Capability::SubscribeEvents];
    let (mut slow, mut quick) = (stage.open(&granted).await, stage.open(&granted).await);
    for peer in [&mut slow, &mut quick] {
        peer.call(1, subscribe(&[EventType::ModuleUnloaded])).await;
        assert!(peer.response().await.1.is_ok());
    }
    // Each event is long enough for the slow one's socket to fill up before its queue does.
    let name = "n".repeat(1000);
    for cursor in 1..=EVENTS {
        stage.host.hub().publish(unloaded(&name));
        assert_eq!(quick.event().await.cursor, cursor);
    }
    let (mut seen, mut dropped) = (0, 0);
    while seen < EVENTS {
        let event = slow.event().await;
        if let EventPayload::EventsDropped { from, to, count } = event.payload {
            assert_eq!((from, to), (seen + 1, seen + count));
            dropped += count;
            seen = to;
        } else {
            assert_eq!(event.cursor, seen + 1);
            seen = event.cursor;
        }
    }
    assert!(dropped > 0);
}

#[tokio::test]
async fn a_subscription_says_of_each_type_what_can_be_expected() {
    use cofferdam_protocol::Availability;
    let stage = Stage::new().await;
    let mut peer = stage.open(&[Capability::SubscribeEvents]).await;
    peer.call(1, subscribe(&[EventType::NewBlock, EventType::ChainReorg, EventType::PeerConnected])).await;
    let (_, Ok(ResponsePayload::SubscribeEvents(subscribed))) = peer.response().await else {
        panic!("not subscribed")
    };
    let expected: Vec<_> = subscribed.events.iter().map(|event| &event.availability).collect();
    assert!(
        matches!(expected[..], [Availability::Live, Availability::Derived, Availability::Unavailable { .. }]),
        "{expected:?}"
    );
}

#[tokio::test]
async fn what_a_module_says_before_it_closes_its_connection_is_heard() {
    let (log, _guard) = Captured::start();
    let stage = Stage::new().await;
    let mut peer = stage.open(&[]).await;
    for id in 0..100 {
        peer.call(id, Log { level: LogLevel::Error, message: format!("last word {id}") }).await;
    }
    assert!(matches!(peer.close().await, SessionEnd::Closed));
    assert_eq!(log.text().matches("last word").count(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_bytes_come_a_session_ends_with_a_reason_and_never_panics(
        opened in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        frames in proptest::collection::vec(proptest::collection::vec(0_u8..12, 0..40), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let end = runtime.block_on(async {
            let stage = Stage::new().await;
            let mut peer =
                if opened { stage.open(Capability::ALL).await } else { stage.connect(Capability::ALL) };
            for frame in frames {
                peer.try_write(&u32::try_from(frame.len()).unwrap().to_be_bytes()).await;
                peer.try_write(&frame).await;
            }
            peer.try_write(&bytes).await;
            peer.close().await
        });
        prop_assert!(!matches!(end, SessionEnd::HostFault(_)), "{}", end);
    }
}
