#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

use cofferdam_protocol::Refusal;
use proptest::prelude::*;

use super::*;
use cofferdam_control::CoreLimits;

fn name(text: &str) -> ModuleName {
    text.parse().unwrap()
}

fn entry(module: &str, requires: &[&str]) -> RosterEntry {
    RosterEntry {
        name: name(module),
        version: "1.0.0".to_owned(),
        granted: Vec::new(),
        requires: requires.iter().map(|required| name(required)).collect(),
        publishes: Vec::new(),
        files: None,
        limits: CoreLimits {
            calls_per_second: 5000,
            call_burst: 5000,
            storage_bytes: 1024 * 1024,
            storage_keys: 1000,
            file_bytes: 1024 * 1024,
            file_count: 100,
        },
    }
}

fn lifecycle(restart: Restart) -> Lifecycle {
    Lifecycle::new(vec![entry("a", &[]), entry("b", &["a"]), entry("c", &["b"])], restart)
}

fn starts(actions: &[Action]) -> Vec<String> {
    let start = |action: &Action| match action {
        Action::Start(module) => Some(module.to_string()),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

fn said(actions: &[Action]) -> Vec<String> {
    let line = |action: &Action| match action {
        Action::Say(module, line) => Some(format!("{module}: {line}")),
        _ => None,
    };
    actions.iter().filter_map(line).collect()
}

fn published(actions: &[Action]) -> Vec<EventPayload> {
    let event = |action: &Action| match action {
        Action::Publish(event) => Some(event.clone()),
        _ => None,
    };
    actions.iter().filter_map(event).collect()
}

/// Brings a module that was asked for up to its handshake.
fn bring_up(lifecycle: &mut Lifecycle, now: Instant, module: &str) -> Vec<Action> {
    let (generation, _) = lifecycle.started(&name(module));
    lifecycle.opened(now, &name(module), generation.unwrap())
}

const SEGFAULT: End = End::Signaled { signal: 11 };

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

#[test]
fn a_module_starts_only_when_what_it_requires_has_shaken_hands() {
    let (mut modules, now) = (lifecycle(Restart::Never), Instant::now());
    assert_eq!(starts(&modules.begin()), ["a"]);
    let (generation, actions) = modules.started(&name("a"));
    assert_eq!(starts(&actions), [""; 0], "running is not enough");
    assert_eq!(starts(&modules.opened(now, &name("a"), generation.unwrap())), ["b"]);
    assert_eq!(starts(&bring_up(&mut modules, now, "b")), ["c"]);
}

#[test]
fn what_is_held_up_by_a_failed_start_is_named_with_the_whole_chain() {
    let (mut modules, now) = (lifecycle(Restart::Never), Instant::now());
    modules.begin();
    let actions = modules.start_failed(now, &name("a"), "mount /data: EPERM");
    assert_eq!(
        said(&actions),
        [
            "a: not started: mount /data: EPERM; it is not started again",
            "b: not started: it requires a, which is not started: mount /data: EPERM",
            "c: not started: it requires b, and it requires a, which is not started: mount /data: EPERM",
        ]
    );
}

#[test]
fn dependants_of_a_module_that_died_before_its_handshake_are_not_started() {
    let (mut modules, now) = (lifecycle(Restart::Never), Instant::now());
    modules.begin();
    modules.started(&name("a"));
    let actions = modules.exited(now, &name("a"), &SEGFAULT);
    assert_eq!(starts(&actions), [""; 0]);
    assert_eq!(said(&actions).len(), 3);
    assert_eq!(starts(&modules.tick(after(now, 3600))), [""; 0]);
}

#[test]
fn dependants_start_when_a_restart_succeeds_after_all() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    modules.started(&name("a"));
    modules.exited(now, &name("a"), &SEGFAULT);
    assert_eq!(starts(&modules.tick(after(now, 1))), ["a"]);
    assert_eq!(starts(&bring_up(&mut modules, after(now, 1), "a")), ["b"]);
}

#[test]
fn pauses_between_restarts_double_up_to_a_minute() {
    let (mut modules, mut now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bring_up(&mut modules, now, "a");
        modules.exited(now, &name("a"), &SEGFAULT);
        let until = modules.next_deadline().unwrap();
        pauses.push((until - now).as_secs());
        assert_eq!(starts(&modules.tick(until - Duration::from_millis(1))), [""; 0]);
        assert_eq!(starts(&modules.tick(until)), ["a"]);
        now = until;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_minute_of_health_makes_the_next_pause_short_again() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    for _ in 0..4 {
        bring_up(&mut modules, now, "a");
        modules.exited(now, &name("a"), &SEGFAULT);
        modules.tick(after(now, 60));
    }
    bring_up(&mut modules, now, "a");
    modules.exited(after(now, 60), &name("a"), &SEGFAULT);
    assert_eq!(modules.next_deadline(), Some(after(now, 61)));
}

#[test]
fn a_clean_exit_is_an_unload_and_no_crash() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    modules.session_ended(now, &name("a"), 1, &SessionEnd::Closed);
    let actions = modules.exited(now, &name("a"), &End::Exited { status: 0 });
    assert_eq!(published(&actions), [EventPayload::ModuleUnloaded { name: "a".to_owned() }]);
    assert_eq!(modules.next_deadline(), None);
}

#[test]
fn a_crash_is_published_with_its_reason_and_a_return_as_a_load() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    let crashed = published(&modules.exited(now, &name("a"), &SEGFAULT));
    let reason = "ended by signal 11".to_owned();
    assert_eq!(crashed, [EventPayload::ModuleCrashed { name: "a".to_owned(), reason }]);
    modules.tick(after(now, 1));
    let loaded = published(&bring_up(&mut modules, now, "a"));
    assert_eq!(loaded, [EventPayload::ModuleLoaded { name: "a".to_owned(), version: "1.0.0".to_owned() }]);
}

#[test]
fn a_module_that_breaks_the_protocol_is_stopped_at_once() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    let broken = SessionEnd::Violation("bad frame".to_owned());
    let actions = modules.session_ended(now, &name("a"), 1, &broken);
    assert!(actions.contains(&Action::Stop(name("a"))));
    let reason = "it broke the protocol: bad frame".to_owned();
    let crashed = published(&modules.exited(now, &name("a"), &End::Stopped));
    assert_eq!(crashed, [EventPayload::ModuleCrashed { name: "a".to_owned(), reason }]);
    assert_eq!(modules.next_deadline(), Some(after(now, 1)));
}

#[test]
fn what_a_module_claims_cannot_act_on_the_terminals_of_those_who_hear_of_its_crash() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    modules.started(&name("a"));
    let (field, claimed) = ("name".to_owned(), "x\n\u{1b}[2J\u{202e}".to_owned());
    let refusal = Refusal::IdentityMismatch { field, claimed, expected: "a".to_owned() };
    modules.session_ended(now, &name("a"), 1, &SessionEnd::Refused(refusal));
    let crashed = published(&modules.exited(now, &name("a"), &End::Stopped));
    let [EventPayload::ModuleCrashed { reason, .. }] = &crashed[..] else { panic!("{crashed:?}") };
    assert!(reason.contains("x\\n\\u{1b}[2J\\u{202e}"), "{reason}");
    assert!(!reason.contains(char::is_control), "{reason}");
}

#[test]
fn a_module_that_was_refused_for_what_it_is_is_not_started_again() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    modules.started(&name("a"));
    let refused = SessionEnd::Refused(Refusal::Other { reason: "no".to_owned() });
    modules.session_ended(now, &name("a"), 1, &refused);
    modules.exited(now, &name("a"), &End::Stopped);
    assert_eq!(modules.next_deadline(), None);
}

#[test]
fn a_module_that_closed_its_connection_has_time_to_end_and_no_more() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    assert_eq!(modules.session_ended(now, &name("a"), 1, &SessionEnd::Closed), []);
    let patience_ends = now + EXIT_PATIENCE;
    assert_eq!(modules.next_deadline(), Some(patience_ends));
    assert_eq!(modules.tick(patience_ends), [Action::Stop(name("a"))]);
    assert_eq!(modules.tick(patience_ends), [], "asked once");
}

#[test]
fn the_end_of_an_earlier_session_does_not_touch_the_present_one() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    modules.exited(now, &name("a"), &SEGFAULT);
    modules.tick(after(now, 1));
    bring_up(&mut modules, after(now, 1), "a");
    assert_eq!(modules.session_ended(now, &name("a"), 1, &SessionEnd::Closed), []);
    assert_eq!(modules.running().collect::<Vec<_>>(), [&name("a")]);
}

#[test]
fn a_shutdown_waits_for_the_last_module_that_runs() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    bring_up(&mut modules, now, "b");
    assert_eq!(modules.shut_down(now, 5000), [Action::Farewell { grace_ms: 5000 }]);
    assert!(!modules.exited(now, &name("a"), &End::Exited { status: 0 }).contains(&Action::Finish));
    // `c` was asked for and comes too late: it is not served.
    let (generation, actions) = modules.started(&name("c"));
    assert_eq!((generation, actions), (None, vec![Action::Stop(name("c"))]));
    assert!(!modules.exited(now, &name("c"), &End::Stopped).contains(&Action::Finish));
    assert!(modules.exited(now, &name("b"), &SEGFAULT).contains(&Action::Finish));
}

#[test]
fn a_shutdown_waits_no_longer_than_the_grace_period() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    modules.shut_down(now, 5000);
    assert_eq!(modules.next_deadline(), Some(after(now, 5)));
    assert!(!modules.tick(after(now, 4)).contains(&Action::Finish));
    assert!(modules.tick(after(now, 5)).contains(&Action::Finish));
}

#[test]
fn nothing_is_started_again_during_a_shutdown() {
    let (mut modules, now) = (lifecycle(Restart::OnFailure), Instant::now());
    modules.begin();
    bring_up(&mut modules, now, "a");
    modules.exited(now, &name("a"), &SEGFAULT);
    modules.shut_down(now, 5000);
    assert_eq!(starts(&modules.tick(after(now, 4))), [""; 0]);
}

#[test]
fn a_requirement_that_does_not_exist_is_said_and_not_waited_for_in_silence() {
    let mut modules = Lifecycle::new(vec![entry("a", &["ghost"])], Restart::OnFailure);
    assert_eq!(said(&modules.begin()), ["a: not started: it requires ghost, which is not in the roster"]);
}

proptest! {
    #[test]
    fn in_any_order_of_events_a_module_is_asked_for_only_when_no_process_of_it_exists(
        events in proptest::collection::vec((0_u8..7, 0_usize..3, 0_u64..70), 0..80)
    ) {
        let (mut modules, mut now) = (lifecycle(Restart::OnFailure), Instant::now());
        // By module: whether the launcher was asked to start it and has not said that it ended.
        let mut alive = std::collections::HashSet::new();
        let mut actions = modules.begin();
        for (event, module, seconds) in events {
            for start in starts(&actions) {
                prop_assert!(alive.insert(start.clone()), "{start} asked for twice");
            }
            let module = ["a", "b", "c"][module];
            let (generation, module) = (modules.slot(&name(module)).unwrap().generation, name(module));
            let runs = alive.contains(module.as_str());
            now = after(now, seconds);
            actions = match event {
                0 if runs => modules.started(&module).1,
                1 => modules.opened(now, &module, generation),
                2 => modules.session_ended(now, &module, generation, &SessionEnd::Closed),
                3 => modules.session_ended(now, &module, generation, &SessionEnd::NoHandshake),
                4 if runs => {
                    alive.remove(module.as_str());
                    modules.exited(now, &module, &SEGFAULT)
                }
                5 => modules.shut_down(now, 100_000),
                _ => modules.tick(now),
            };
        }
    }
}
