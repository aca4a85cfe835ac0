//! Modules among themselves: what one may ask of another, and what that costs whom.

use bytes::Bytes;
use cofferdam_protocol::calls::{
    CallModule, DiscoverModules, GetModuleInfo, IsModuleAvailable, RegisterModuleApi, SendMeshPacketToModule,
    UnregisterModuleApi,
};
use cofferdam_protocol::modules::{MAX_CALL_BYTES, MAX_PACKET_BYTES, ModuleApi, ModuleMethod, ModuleState};
use cofferdam_protocol::{InvocationMessage, InvocationPayload, ModuleFault};
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Peer, module};
use super::*;
use crate::modules::CALL_DEADLINE;

const CALLER: &[Capability] = &[Capability::CallModule, Capability::ReadChainState];
const CALLEE: &[Capability] = &[Capability::RegisterModuleApi, Capability::CallModule];

fn api(methods: &[&str], callers: &[&str]) -> RegisterModuleApi {
    let method = |name: &&str| ModuleMethod { name: (*name).to_owned(), description: "does it".to_owned() };
    RegisterModuleApi {
        api: ModuleApi {
            version: "1".to_owned(),
            methods: BoundedVec::truncated(methods.iter().map(method)),
            callers: BoundedVec::truncated(callers.iter().map(|name| (*name).to_owned())),
        },
    }
}

fn ask(target: &str, params: impl Into<Bytes>) -> CallModule {
    CallModule { target_module_id: target.to_owned(), method: "echo".to_owned(), params: params.into() }
}

/// A module that offers `echo` to everybody.
async fn echoer(stage: &Stage, name: &str) -> Peer {
    let mut peer = stage.open_module(module(name, CALLEE)).await;
    peer.call(1, api(&["echo"], &[])).await;
    assert_eq!(peer.response().await, (1, Ok(ResponsePayload::RegisterModuleApi(()))));
    peer
}

/// Who calls and with what, and the invocation's id.
fn call_of(invocation: InvocationMessage) -> (u64, String, Bytes) {
    let InvocationPayload::ModuleCall { caller, method, params } = invocation.payload else {
        panic!("{invocation:?}")
    };
    assert_eq!(method, "echo");
    (invocation.invocation_id, caller, params)
}

#[tokio::test]
async fn a_call_reaches_the_module_with_the_callers_name_and_its_answer_comes_back() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    for size in [0, 5000, MAX_CALL_BYTES] {
        let params = Bytes::from(vec![7; size]);
        caller.call(1, ask("callee", params.clone())).await;
        let invocation = callee.invocation().await;
        assert!(
            invocation.deadline_ms > 0 && u128::from(invocation.deadline_ms) <= CALL_DEADLINE.as_millis()
        );
        let (id, from, received) = call_of(invocation);
        assert_eq!((from.as_str(), &received), ("caller", &params));
        callee.answer(id, Ok(received)).await;
        assert_eq!(caller.response().await, (1, Ok(ResponsePayload::CallModule(params))));
    }
}

#[tokio::test]
async fn whoever_was_not_granted_calling_does_not_reach_the_module() {
    let stage = Stage::new().await;
    let _callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", &[])).await;
    caller.call(1, ask("callee", "")).await;
    assert!(matches!(caller.response().await, (1, Err(ApiError::PermissionDenied { .. }))));
}

#[tokio::test]
async fn who_is_not_among_the_callers_of_a_module_cannot_tell_it_from_one_that_offers_nothing() {
    let stage = Stage::new().await;
    let mut callee = stage.open_module(module("callee", CALLEE)).await;
    callee.call(1, api(&["echo"], &["friend"])).await;
    assert!(callee.response().await.1.is_ok());
    let granted = [Capability::CallModule, Capability::DiscoverModules];
    let mut friend = stage.open_module(module("friend", &granted)).await;
    let mut stranger = stage.open_module(module("stranger", &granted)).await;
    friend.call(1, ask("callee", "hi")).await;
    let (id, ..) = call_of(callee.invocation().await);
    callee.answer(id, Ok(Bytes::new())).await;
    assert!(friend.response().await.1.is_ok());
    stranger.call(1, ask("callee", "hi")).await;
    let not_found = ApiError::ModuleNotFound { module: "callee".to_owned() };
    assert_eq!(stranger.response().await, (1, Err(not_found)));
    for (peer, sees) in [(&mut friend, true), (&mut stranger, false)] {
        peer.call(2, GetModuleInfo { module_id: "callee".to_owned() }).await;
        let (_, Ok(ResponsePayload::GetModuleInfo(Some(info)))) = peer.response().await else {
            panic!("no info")
        };
        assert_eq!((info.api.is_some(), info.state), (sees, ModuleState::Starting));
    }
}

#[tokio::test]
async fn what_is_not_offered_or_not_any_more_is_not_called() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    caller.call(1, CallModule { method: "other".to_owned(), ..ask("callee", "") }).await;
    assert!(matches!(caller.response().await, (1, Err(ApiError::NotFound { .. }))));
    callee.call(2, UnregisterModuleApi {}).await;
    assert!(callee.response().await.1.is_ok());
    caller.call(2, ask("callee", "")).await;
    assert!(matches!(caller.response().await, (2, Err(ApiError::ModuleNotFound { .. }))));
    caller.call(3, ask("nobody", "")).await;
    assert!(matches!(caller.response().await, (3, Err(ApiError::ModuleNotFound { .. }))));
}

#[tokio::test]
async fn a_modules_own_error_reaches_the_caller_bounded_and_too_much_is_not_passed_on() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    caller.call(1, ask("callee", "")).await;
    let (id, ..) = call_of(callee.invocation().await);
    callee.answer(id, Err(ModuleFault { code: -7, message: "é".repeat(5000) })).await;
    let (_, Err(ApiError::ModuleFailed { module, code, message })) = caller.response().await else {
        panic!("no error")
    };
    assert_eq!((module.as_str(), code, message.len()), ("callee", -7, 1024));
    caller.call(2, ask("callee", "")).await;
    let (id, ..) = call_of(callee.invocation().await);
    callee.answer(id, Ok(Bytes::from(vec![0; MAX_CALL_BYTES + 1]))).await;
    assert!(matches!(caller.response().await, (2, Err(ApiError::ModuleFailed { .. }))));
    caller.call(3, ask("callee", vec![0; MAX_CALL_BYTES + 1])).await;
    assert!(matches!(caller.response().await, (3, Err(ApiError::InvalidArgument { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_module_that_does_not_answer_costs_its_caller_ten_seconds_and_a_late_answer_nothing() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    let begun = Instant::now();
    caller.call(1, ask("callee", "")).await;
    let (id, ..) = call_of(callee.invocation().await);
    assert!(matches!(caller.response().await, (1, Err(ApiError::Timeout { after_ms: 10_000, .. }))));
    assert!(begun.elapsed() >= CALL_DEADLINE && begun.elapsed() < 2 * CALL_DEADLINE);
    callee.answer(id, Ok(Bytes::new())).await;
    caller.call(2, ask("callee", "again")).await;
    let (id, _, params) = call_of(callee.invocation().await);
    callee.answer(id, Ok(params)).await;
    assert_eq!(caller.response().await, (2, Ok(ResponsePayload::CallModule(Bytes::from("again")))));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_module_ends_what_waits_for_it_at_once() {
    let stage = Stage::new().await;
    let callee = echoer(&stage, "callee").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    for id in 1..=3 {
        caller.call(id, ask("callee", "")).await;
    }
    sleep(Duration::from_millis(1)).await;
    callee.close().await;
    for _ in 1..=3 {
        let response = timeout(Duration::from_secs(1), caller.response()).await.unwrap();
        assert!(matches!(response, (_, Err(ApiError::ModuleNotFound { .. }))), "{response:?}");
    }
    assert!(!stage.host.modules().is_available("callee"));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_answers_that_nobody_waits_for_costs_the_time_of_its_sender_only() {
    let stage = Stage::new().await;
    let mut other = stage.open(&[Capability::ReadChainState]).await;
    // A few late answers are normal and cost nothing.
    for (name, answers, costs) in [("late", 100, false), ("flooder", 6000, true)] {
        let mut peer = stage.open_module(module(name, &[])).await;
        let begun = Instant::now();
        for id in 0..answers {
            peer.answer(id, Ok(Bytes::from_static(b"nobody asked"))).await;
        }
        other.call(1, GetChainTip {}).await;
        assert!(other.response().await.1.is_ok());
        assert!(matches!(peer.close().await, SessionEnd::Closed));
        assert_eq!(begun.elapsed() > Duration::from_millis(50), costs, "{name}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_module_answers_while_all_its_places_wait_for_others() {
    let stage = Stage::new().await;
    let mut busy = echoer(&stage, "busy").await;
    let mut silent = echoer(&stage, "silent").await;
    let mut caller = stage.open_module(module("caller", CALLER)).await;
    for id in 0..200 {
        busy.call(id, ask("silent", "")).await;
    }
    // As many as may wait are passed on; the others are refused at once and leave the module readable.
    for _ in 0..crate::dispatch::MAX_RELAYED {
        silent.invocation().await;
    }
    caller.call(1, ask("busy", "are you there")).await;
    let mut refused = 0;
    let id = loop {
        match busy.next().await {
            Some(ModuleMessage::Invocation(invocation)) => break call_of(invocation).0,
            Some(ModuleMessage::Response(response)) => {
                assert!(matches!(response.result, Err(ApiError::RateLimited { .. })));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    };
    busy.answer(id, Ok(Bytes::from_static(b"yes"))).await;
    assert_eq!(caller.response().await, (1, Ok(ResponsePayload::CallModule(Bytes::from_static(b"yes")))));
    while refused < 200 - crate::dispatch::MAX_RELAYED {
        assert!(busy.response().await.1.is_err());
        refused += 1;
    }
}

#[tokio::test]
async fn two_modules_may_call_each_other_at_once_when_neither_call_is_part_of_the_other() {
    let stage = Stage::new().await;
    let (mut one, mut two) = (echoer(&stage, "one").await, echoer(&stage, "two").await);
    one.call(5, ask("two", "a")).await;
    two.call(5, ask("one", "b")).await;
    let (to_one, ..) = call_of(one.invocation().await);
    let (to_two, ..) = call_of(two.invocation().await);
    one.answer(to_one, Ok(Bytes::new())).await;
    two.answer(to_two, Ok(Bytes::new())).await;
    assert!(one.response().await.1.is_ok() && two.response().await.1.is_ok());
}

#[tokio::test]
async fn a_call_that_would_come_back_to_a_module_that_waits_for_it_is_refused_with_the_way() {
    let stage = Stage::new().await;
    let (mut one, mut two) = (echoer(&stage, "one").await, echoer(&stage, "two").await);
    let mut three = echoer(&stage, "three").await;
    one.call(5, ask("two", "")).await;
    let (at_two, ..) = call_of(two.invocation().await);
    two.call_within(6, at_two, ask("three", "")).await;
    let (at_three, ..) = call_of(three.invocation().await);
    three.call_within(7, at_three, ask("one", "")).await;
    let circle = ApiError::CallCycle { module: "one".to_owned(), path: "one > two > three > one".to_owned() };
    assert_eq!(three.response().await, (7, Err(circle)));
    // The same call on its own is nobody's circle, nor is one for an invocation that the module never got.
    three.call(8, ask("one", "")).await;
    let (at_one, caller, _) = call_of(one.invocation().await);
    assert_eq!(caller, "three");
    one.answer(at_one, Ok(Bytes::new())).await;
    assert!(three.response().await.1.is_ok());
    three.call_within(9, u64::MAX, ask("one", "")).await;
    call_of(one.invocation().await);
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_modules_that_hide_it_ends_by_its_deadline_and_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let (mut one, mut two) = (echoer(&stage, "one").await, echoer(&stage, "two").await);
    one.call(5, ask("two", "")).await;
    call_of(two.invocation().await);
    two.call(6, ask("one", "")).await;
    call_of(one.invocation().await);
    for peer in [&mut one, &mut two] {
        assert!(matches!(peer.response().await.1, Err(ApiError::Timeout { .. })));
    }
    let waiting: usize = stage.host.modules().census().iter().map(|(_, _, outstanding)| outstanding).sum();
    assert_eq!(waiting, 0);
    assert_eq!(stage.host.relayed_calls().available_permits(), crate::dispatch::MAX_RELAYED_IN_ALL);
}

#[tokio::test(start_paused = true)]
async fn large_answers_that_are_not_read_cost_the_reader_its_session_and_give_back_their_places() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut hoarder = stage.open_module(module("hoarder", CALLER)).await;
    for id in 0..8 {
        hoarder.call(id, ask("callee", "")).await;
    }
    for _ in 0..8 {
        let (id, ..) = call_of(callee.invocation().await);
        callee.answer(id, Ok(Bytes::from(vec![1; MAX_CALL_BYTES]))).await;
    }
    assert!(matches!(hoarder.end().await, SessionEnd::Unread));
    assert_eq!(stage.host.relayed_calls().available_permits(), crate::dispatch::MAX_RELAYED_IN_ALL);
}

#[tokio::test]
async fn packets_are_handed_over_with_the_name_of_who_does_and_refused_when_nobody_reads_them() {
    let stage = Stage::new().await;
    let mut reader = stage.open_module(module("reader", &[])).await;
    let mut mesh = stage.open_module(module("mesh", &[Capability::NetworkAccess])).await;
    let packet = |bytes: usize| SendMeshPacketToModule {
        module_id: "reader".to_owned(),
        packet_data: Bytes::from(vec![1; bytes]),
        peer_addr: "10.0.0.1:4321".to_owned(),
    };
    mesh.call(1, packet(MAX_PACKET_BYTES)).await;
    assert!(mesh.response().await.1.is_ok());
    let invocation = reader.invocation().await;
    let InvocationPayload::MeshPacket { from_module, packet: data, .. } = invocation.payload else {
        panic!()
    };
    assert_eq!((from_module.as_str(), data.len(), invocation.deadline_ms), ("mesh", MAX_PACKET_BYTES, 0));
    mesh.call(2, packet(MAX_PACKET_BYTES + 1)).await;
    assert!(matches!(mesh.response().await.1, Err(ApiError::InvalidArgument { .. })));
    let mut refused = false;
    for id in 3..60 {
        mesh.call(id, packet(MAX_PACKET_BYTES)).await;
        refused |= matches!(mesh.response().await.1, Err(ApiError::RateLimited { .. }));
    }
    assert!(refused);
    let mut other = stage.open_module(module("other", &[])).await;
    other.call(1, packet(1)).await;
    assert!(matches!(other.response().await.1, Err(ApiError::PermissionDenied { .. })));
}

#[tokio::test]
async fn modules_are_discovered_by_who_may() {
    let stage = Stage::new().await;
    let _callee = echoer(&stage, "callee").await;
    let mut asker = stage.open_module(module("asker", &[Capability::DiscoverModules])).await;
    asker.call(1, DiscoverModules {}).await;
    let (_, Ok(ResponsePayload::DiscoverModules(infos))) = asker.response().await else { panic!("no infos") };
    assert_eq!(infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["asker", "callee"]);
    // It was not granted calling, so that what is offered is nothing to it.
    assert!(infos.iter().all(|info| info.api.is_none()));
    for (name, there) in [("callee", true), ("nobody", false)] {
        asker.call(2, IsModuleAvailable { module_id: name.to_owned() }).await;
        assert_eq!(asker.response().await.1, Ok(ResponsePayload::IsModuleAvailable(there)));
    }
    let mut other = stage.open_module(module("other", &[])).await;
    other.call(1, DiscoverModules {}).await;
    assert!(matches!(other.response().await.1, Err(ApiError::PermissionDenied { .. })));
}

#[tokio::test]
async fn an_api_that_could_mislead_is_not_taken() {
    let stage = Stage::new().await;
    let mut peer = stage.open_module(module("callee", CALLEE)).await;
    let long = "m".repeat(65);
    let bad = [
        api(&["Echo"], &[]),
        api(&[""], &[]),
        api(&[&long], &[]),
        api(&["a", "a"], &[]),
        api(&["a"], &["no one"]),
    ];
    for (id, api) in (0..).zip(bad) {
        peer.call(id, api).await;
        assert!(matches!(peer.response().await.1, Err(ApiError::InvalidArgument { .. })));
    }
    peer.call(9, api(&["a", "b.c_1"], &["someone"])).await;
    assert!(peer.response().await.1.is_ok());
}

#[tokio::test]
async fn large_parameters_beyond_a_few_calls_are_refused_and_answers_still_pass() {
    let stage = Stage::new().await;
    let mut callee = echoer(&stage, "callee").await;
    let mut caller = echoer(&stage, "caller").await;
    for id in 1..=5 {
        caller.call(id, ask("callee", vec![1; MAX_CALL_BYTES])).await;
    }
    assert!(matches!(caller.response().await, (5, Err(ApiError::RateLimited { .. }))));
    callee.call(9, ask("caller", "")).await;
    let (id, ..) = call_of(caller.invocation().await);
    caller.answer(id, Ok(Bytes::new())).await;
    loop {
        match callee.next().await {
            Some(ModuleMessage::Invocation(invocation)) => {
                callee.answer(invocation.invocation_id, Ok(Bytes::new())).await;
            }
            Some(ModuleMessage::Response(response)) => {
                assert_eq!((response.correlation_id, response.result.is_ok()), (9, true));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}
