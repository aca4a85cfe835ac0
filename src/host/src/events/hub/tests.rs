#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

use std::time::Duration;

use bytes::Bytes;
use cofferdam_protocol::ModuleMessage;

use super::*;

const LOADED: EventType = EventType::ModuleLoaded;
const UNLOADED: EventType = EventType::ModuleUnloaded;

fn unloaded(name: &str) -> EventPayload {
    EventPayload::ModuleUnloaded { name: name.to_owned() }
}

fn decode(frame: &Bytes) -> EventMessage {
    match cofferdam_protocol::decode(&frame[4..]).unwrap() {
        ModuleMessage::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_subscribers_get_the_events_in_order_and_the_same_bytes() {
    let hub = Hub::new(100);
    let (one, other) = (hub.attach(), hub.attach());
    for attachment in [&one, &other] {
        assert_eq!(hub.subscribe(attachment.mailbox(), &[UNLOADED], None), Ok(100));
    }
    hub.publish(unloaded("a"));
    hub.publish(unloaded("b"));
    for cursor in [101, 102] {
        let (left, right) = (one.mailbox().next().await, other.mailbox().next().await);
        assert_eq!(decode(&left).cursor, cursor);
        assert_eq!(left.as_ptr(), right.as_ptr(), "encoded once");
    }
}

#[tokio::test]
async fn a_module_resumes_after_its_cursor_without_gap_or_repetition() {
    let hub = Hub::new(0);
    for name in ["a", "b", "c"] {
        hub.publish(unloaded(name));
    }
    let late = hub.attach();
    assert_eq!(hub.subscribe(late.mailbox(), &[UNLOADED], Some(1)), Ok(3));
    hub.publish(unloaded("d"));
    for cursor in [2, 3, 4] {
        assert_eq!(decode(&late.mailbox().next().await).cursor, cursor);
    }
}

#[tokio::test]
async fn who_resumes_too_late_is_told_what_is_missing() {
    let hub = Hub::new(0);
    let forgotten = 5;
    for _ in 0..KEPT_OF_OTHERS + 5 {
        hub.publish(unloaded("a"));
    }
    let late = hub.attach();
    hub.subscribe(late.mailbox(), &[UNLOADED], Some(2)).unwrap();
    let dropped = EventPayload::EventsDropped { from: 3, to: forgotten, count: 3 };
    assert_eq!(decode(&late.mailbox().next().await).payload, dropped);
    assert_eq!(decode(&late.mailbox().next().await).cursor, forgotten + 1);
}

#[test]
fn a_cursor_that_was_never_given_is_refused_and_nothing_is_subscribed() {
    let hub = Hub::new(1000);
    let attachment = hub.attach();
    for cursor in [1001, u64::MAX] {
        let unknown = UnknownCursor { cursor, newest: 1000 };
        assert_eq!(hub.subscribe(attachment.mailbox(), &[LOADED], Some(cursor)), Err(unknown));
        assert!(!hub.interest().borrow().any_of(&[LOADED]));
    }
    assert_eq!(hub.subscribe(attachment.mailbox(), &[LOADED], Some(1000)), Ok(1000));
}

const BLOCK: EventType = EventType::BlockDisconnected;

fn change(height: u32) -> EventPayload {
    EventPayload::BlockDisconnected { hash: cofferdam_protocol::BlockHash::from_bytes([7; 32]), height }
}

/// A hub that begins after 1000, with changes of the chain 10, 20 and 30 of earlier runs.
fn hub_with_a_past(complete_after: u64) -> Arc<Hub> {
    let encode = |cursor: u64| {
        let message = EventMessage::new(cursor, change(u32::try_from(cursor).unwrap()));
        EncodedEvent { cursor, event_type: BLOCK, frame: wire::encode_event(message).unwrap() }
    };
    Hub::with_past(1000, Past { complete_after, events: [10, 20, 30].map(encode).to_vec() })
}

fn begin(hub: &Hub, news: ChainNews) -> Vec<EncodedEvent> {
    hub.begin([(news, ())]).into_iter().map(|(event, ())| event).collect()
}

fn announce(hub: &Hub, height: u32) {
    let events = begin(hub, ChainNews::Change(change(height)));
    hub.commit(events);
}

/// What a module hears that resumes, each as its cursor and, if it is about lost events, their number.
async fn hears(hub: &Arc<Hub>, types: &[EventType], after: u64, count: usize) -> Vec<(u64, Option<u64>)> {
    let module = hub.attach();
    hub.subscribe(module.mailbox(), types, Some(after)).unwrap();
    let mut heard = Vec::new();
    for _ in 0..count {
        let event = decode(&module.mailbox().next().await);
        heard.push(match event.payload {
            EventPayload::EventsDropped { count, to, .. } => (to, Some(count)),
            _ => (event.cursor, None),
        });
    }
    heard
}

#[tokio::test]
async fn who_resumes_with_a_cursor_of_an_earlier_run_gets_all_changes_of_the_chain_after_it() {
    let hub = hub_with_a_past(5);
    announce(&hub, 1);
    assert_eq!(hears(&hub, &[BLOCK], 10, 3).await, [(20, None), (30, None), (1001, None)]);
    assert_eq!(hears(&hub, &[BLOCK], 15, 3).await, [(20, None), (30, None), (1001, None)]);
    assert_eq!(hears(&hub, &[BLOCK], 30, 1).await, [(1001, None)]);
}

#[tokio::test]
async fn who_resumes_before_what_is_kept_of_the_chain_is_told_so() {
    let hub = hub_with_a_past(5);
    assert_eq!(hears(&hub, &[BLOCK], 4, 2).await, [(5, Some(0)), (10, None)]);
    assert_eq!(hears(&hub, &[BLOCK], 5, 1).await, [(10, None)], "the control: nothing is missing");
}

#[tokio::test]
async fn other_events_of_earlier_runs_are_told_as_missing_in_their_place() {
    let hub = hub_with_a_past(5);
    hub.publish(unloaded("a"));
    let heard = hears(&hub, &[BLOCK, UNLOADED], 10, 4).await;
    assert_eq!(heard, [(20, None), (30, None), (1000, Some(0)), (1001, None)]);
}

#[tokio::test]
async fn other_events_do_not_crowd_out_those_of_the_chain() {
    let hub = Hub::new(0);
    announce(&hub, 1);
    let flood = u64::try_from(3 * KEPT_OF_OTHERS).unwrap();
    for _ in 0..flood {
        hub.publish(unloaded("a"));
    }
    announce(&hub, 2);
    assert_eq!(hears(&hub, &[BLOCK], 0, 2).await, [(1, None), (flood + 2, None)]);
    let lost = flood - u64::try_from(KEPT_OF_OTHERS).unwrap();
    let heard = hears(&hub, &[UNLOADED], 1, 2).await;
    assert_eq!(heard, [(lost + 1, Some(lost)), (lost + 2, None)]);
}

#[tokio::test]
async fn nothing_overtakes_a_change_that_is_being_written() {
    let hub = Hub::new(0);
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[BLOCK, UNLOADED], None).unwrap();
    let change = begin(&hub, ChainNews::Change(change(1)));
    assert_eq!(hub.publish(unloaded("a")), Some(2));
    let late = hub.attach();
    assert_eq!(hub.subscribe(late.mailbox(), &[BLOCK, UNLOADED], Some(0)), Ok(0));
    hub.commit(change);
    for attachment in [module, late] {
        for cursor in [1, 2] {
            assert_eq!(decode(&attachment.mailbox().next().await).cursor, cursor);
        }
    }
}

#[tokio::test]
async fn a_farewell_does_not_wait_for_the_disk_and_loses_nothing_to_who_resumes_after_it() {
    let hub = Hub::new(0);
    hub.publish(unloaded("a"));
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[BLOCK], None).unwrap();
    let change = begin(&hub, ChainNews::Change(change(1)));
    hub.say_farewell(5000);
    let farewell = decode(&module.mailbox().next().await);
    assert_eq!((farewell.event_type, farewell.cursor), (EventType::NodeShutdown, 1));
    hub.commit(change);
    let again = hub.attach();
    hub.subscribe(again.mailbox(), &[BLOCK], Some(farewell.cursor)).unwrap();
    let heard = [decode(&again.mailbox().next().await), decode(&again.mailbox().next().await)];
    assert_eq!(heard.map(|event| event.event_type), [EventType::NodeShutdown, BLOCK]);
}

#[tokio::test]
async fn a_disk_that_hangs_costs_events_that_are_counted_and_no_memory() {
    let hub = Hub::new(0);
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[UNLOADED], None).unwrap();
    let change = begin(&hub, ChainNews::Change(change(1)));
    let held = u64::try_from(HELD).unwrap();
    for _ in 0..held + 10 {
        hub.publish(unloaded("a"));
    }
    hub.commit(change);
    hub.publish(unloaded("b"));
    let mut last = EventMessage::new(0, unloaded("none"));
    let mut lost = 0;
    while last.payload != unloaded("b") {
        last = decode(&module.mailbox().next().await);
        if let EventPayload::EventsDropped { count, .. } = last.payload {
            lost += count;
        }
    }
    // The ten for which there was no room, and one for each that came behind a full queue.
    assert_eq!((last.cursor, lost), (held + 12, 12));
}

#[tokio::test]
async fn a_disk_that_hangs_holds_large_events_by_their_bytes_and_what_is_lost_is_one_span() {
    let hub = Hub::new(0);
    let module = hub.attach();
    hub.subscribe(module.mailbox(), &[UNLOADED], None).unwrap();
    let change = begin(&hub, ChainNews::Change(change(1)));
    let large = unloaded(&"n".repeat(60_000));
    let count = u64::try_from(2 * HELD_BYTES / 60_000).unwrap();
    for _ in 0..count {
        hub.publish(large.clone());
    }
    let small = hub.publish(unloaded("a")).unwrap();
    let held = |hub: &Hub| {
        hub.lock().held.as_ref().map(|held| held.events.iter().map(|event| event.frame.len()).sum::<usize>())
    };
    assert!(held(&hub).is_some_and(|bytes| bytes > HELD_BYTES / 2 && bytes <= HELD_BYTES));
    hub.commit(change);
    let mut seen = 1;
    while seen < small {
        let event = decode(&module.mailbox().next().await);
        if let EventPayload::EventsDropped { from, to, .. } = event.payload {
            assert_eq!((from <= seen + 1, event.cursor), (true, to));
        } else {
            assert_eq!(event.cursor, seen + 1);
        }
        seen = event.cursor;
    }
    assert_eq!(seen, small);
}

#[tokio::test]
async fn a_gap_in_the_chain_is_told_to_who_follows_the_chain_and_to_nobody_else() {
    let hub = Hub::new(0);
    let (chain, other) = (hub.attach(), hub.attach());
    hub.subscribe(chain.mailbox(), &[BLOCK], None).unwrap();
    hub.subscribe(other.mailbox(), &[UNLOADED], None).unwrap();
    let gap = begin(&hub, ChainNews::Gap);
    hub.commit(gap);
    announce(&hub, 9);
    hub.publish(unloaded("a"));
    let dropped = EventPayload::EventsDropped { from: 1, to: 1, count: 0 };
    assert_eq!(decode(&chain.mailbox().next().await).payload, dropped);
    assert_eq!(decode(&other.mailbox().next().await).payload, unloaded("a"));
    assert_eq!(hears(&hub, &[BLOCK], 0, 2).await, [(1, Some(0)), (2, None)]);
}

#[tokio::test]
async fn what_somebody_wants_is_known_from_the_subscription_to_the_end_of_the_session() {
    let hub = Hub::new(0);
    let interest = hub.interest();
    let wants = || interest.borrow().any_of(&[EventType::PeerConnected]);
    let (one, other) = (hub.attach(), hub.attach());
    assert!(!wants());
    for attachment in [&one, &other] {
        hub.subscribe(attachment.mailbox(), &[EventType::PeerConnected], None).unwrap();
    }
    drop(one);
    assert!(wants());
    drop(other);
    assert!(!wants());
}

#[test]
fn a_core_that_restarts_gives_greater_cursors() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let busy = first_cursor(start) + 900_000;
    assert!(first_cursor(start + Duration::from_millis(1)) > busy);
}

#[tokio::test]
async fn everybody_hears_of_the_shutdown_even_who_subscribed_to_nothing_or_comes_later() {
    let hub = Hub::new(0);
    let early = hub.attach();
    hub.say_farewell(5000);
    let late = hub.attach();
    for attachment in [early, late] {
        let event = decode(&attachment.mailbox().next().await);
        assert_eq!(event.payload, EventPayload::NodeShutdown { grace_ms: 5000 });
    }
}

#[tokio::test]
async fn who_resumes_before_or_after_the_farewell_hears_it_once_in_what_waits() {
    for (resume_after, expected) in [(0, vec![1, 2, 3]), (2, vec![2, 3]), (3, vec![2])] {
        for said_first in [true, false] {
            let hub = Hub::new(0);
            let attachment = hub.attach();
            let resume = || hub.subscribe(attachment.mailbox(), &[UNLOADED], Some(resume_after)).is_ok();
            hub.publish(unloaded("a"));
            let resumed_early = !said_first && resume();
            hub.say_farewell(5000);
            hub.publish(unloaded("b"));
            assert!(resume() || resumed_early);
            // Ends what waits: nothing but these may have come before it.
            hub.publish(unloaded("end"));
            for cursor in expected.iter().copied().chain([4]) {
                assert_eq!(decode(&attachment.mailbox().next().await).cursor, cursor, "{resume_after}");
            }
        }
    }
}

#[test]
fn a_session_that_ended_is_forgotten() {
    let hub = Hub::new(0);
    drop(hub.attach());
    assert!(hub.lock().sessions.is_empty());
}
