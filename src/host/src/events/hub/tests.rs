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
    for _ in 0..REPLAY + 5 {
        hub.publish(unloaded("a"));
    }
    let late = hub.attach();
    hub.subscribe(late.mailbox(), &[UNLOADED], Some(2)).unwrap();
    let dropped = EventPayload::EventsDropped { from: 3, to: forgotten, count: 3 };
    assert_eq!(decode(&late.mailbox().next().await).payload, dropped);
    assert_eq!(decode(&late.mailbox().next().await).cursor, forgotten + 1);
}

#[test]
fn a_cursor_of_another_run_is_refused_and_nothing_is_subscribed() {
    let hub = Hub::new(1000);
    let attachment = hub.attach();
    for cursor in [0, 999, 1001, u64::MAX] {
        let unknown = UnknownCursor { cursor, first: 1000, newest: 1000 };
        assert_eq!(hub.subscribe(attachment.mailbox(), &[LOADED], Some(cursor)), Err(unknown));
    }
    assert_eq!(hub.subscribe(attachment.mailbox(), &[LOADED], Some(1000)), Ok(1000));
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
