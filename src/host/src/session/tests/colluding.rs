//! Modules that work together against another one.

use bytes::Bytes;
use cofferdam_protocol::calls::{CallModule, RegisterModuleApi, RegisterRpcEndpoint};
use cofferdam_protocol::modules::{ModuleApi, ModuleMethod};
use cofferdam_protocol::{InvocationPayload, RawBlock};

use super::peer::{Peer, module};
use super::*;
use crate::dispatch::{MAX_RELAYED, MAX_RELAYED_IN_ALL};
use crate::modules::Chain;
use crate::session::admission::Admission;
use crate::session::outbox::MAX_SHARED;
use crate::session::requests::MAX_IN_FLIGHT;

fn ask(target: &str) -> CallModule {
    CallModule { target_module_id: target.to_owned(), method: "echo".to_owned(), params: Bytes::new() }
}

/// A module that calls others and can be called.
async fn caller(stage: &Stage, name: &str) -> Peer {
    let mut peer =
        stage.open_module(module(name, &[Capability::CallModule, Capability::RegisterModuleApi])).await;
    let method = ModuleMethod { name: "echo".to_owned(), description: String::new() };
    let api = ModuleApi {
        version: "1".to_owned(),
        methods: BoundedVec::truncated([method]),
        callers: BoundedVec::truncated([]),
    };
    peer.call(0, RegisterModuleApi { api }).await;
    assert!(peer.response().await.1.is_ok());
    peer
}

#[tokio::test(start_paused = true)]
async fn modules_that_call_each_other_and_never_answer_leave_every_other_module_a_call() {
    let stage = Stage::new().await;
    let mut hostile = Vec::new();
    while stage.host.relayed_calls().available_permits() > 0 {
        assert!(hostile.len() <= MAX_RELAYED_IN_ALL, "no places are taken");
        let name = format!("hostile-{}", hostile.len());
        let mut peer = caller(&stage, &name).await;
        if !hostile.is_empty() {
            for id in 0..u64::try_from(MAX_RELAYED).unwrap() {
                peer.call(id, ask(&format!("hostile-{}", hostile.len() - 1))).await;
            }
        }
        hostile.push(peer);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut honest, mut callee) = (caller(&stage, "honest").await, caller(&stage, "callee").await);
    for id in [1, 3] {
        honest.call(id, ask("callee")).await;
        let invocation = callee.invocation().await.invocation_id;
        honest.call(id + 1, ask("callee")).await;
        let refused = honest.response().await;
        assert!(matches!(refused.1, Err(ApiError::RateLimited { .. })), "the control: {refused:?}");
        callee.answer(invocation, Ok(Bytes::new())).await;
        assert_eq!(honest.response().await, (id, Ok(ResponsePayload::CallModule(Bytes::new()))));
    }
}

/// Begins a large request that is refused once it has come, and writes all of it but the last byte.
async fn nearly(peer: &mut Peer, correlation_id: u64) -> Vec<u8> {
    let payload = RequestPayload::SubmitBlock { block: RawBlock::new(vec![0; 1_000_000]) };
    let request = cofferdam_protocol::RequestMessage { correlation_id, payload };
    let mut frame =
        cofferdam_protocol::encode_frame(&cofferdam_protocol::HostMessage::Request(request)).unwrap();
    let last = frame.split_off(frame.len() - 1);
    peer.write(&frame).await;
    last
}

#[tokio::test(start_paused = true)]
async fn fewer_modules_than_there_are_places_cannot_keep_another_from_sending_a_large_request() {
    let stage = Stage::new().await;
    let mut hostile = Vec::new();
    for number in 0..MAX_LARGE_REQUESTS - 1 {
        let mut peer = stage.open_module(module(&format!("hostile-{number}"), &[])).await;
        nearly(&mut peer, 1).await;
        hostile.push(peer);
    }
    let mut honest = stage.open_module(module("honest", &[])).await;
    let last = nearly(&mut honest, 7).await;
    honest.write(&last).await;
    let answer = timeout(Duration::from_secs(1), honest.response()).await.expect("a place is left");
    assert_eq!(answer.0, 7);
}

#[tokio::test]
async fn a_module_has_two_large_requests_at_once_only_while_there_are_places_to_spare() {
    let in_all = Arc::new(tokio::sync::Semaphore::new(MAX_LARGE_REQUESTS));
    let modules: Vec<_> =
        (0..MAX_LARGE_REQUESTS).map(|_| Admission::new(MAX_IN_FLIGHT, Arc::clone(&in_all))).collect();
    let now = async |admission: &Admission| {
        timeout(Duration::from_millis(20), admission.admit()).await.ok().map(Result::unwrap)
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        for admission in &modules {
            held.extend(now(admission).await);
        }
    }
    assert_eq!(held.len(), MAX_LARGE_REQUESTS, "each has one");
    assert!(
        now(&Admission::new(MAX_IN_FLIGHT, Arc::clone(&in_all))).await.is_none(),
        "the control: all taken"
    );
    held.clear();
    let pair = (now(&modules[0]).await, now(&modules[0]).await);
    assert!(pair.0.is_some() && pair.1.is_some(), "nobody else is there");
    assert!(now(&modules[0]).await.is_none(), "and no third");
}

#[tokio::test(start_paused = true)]
async fn a_module_that_many_call_and_that_answers_nobody_has_room_for_one_more_who_calls() {
    let stage = Stage::new().await;
    let mut callee = caller(&stage, "callee").await;
    let mut hostile = Vec::new();
    for number in 0..6 {
        let mut peer = caller(&stage, &format!("hostile-{number}")).await;
        for id in 1..=u64::try_from(MAX_RELAYED).unwrap() {
            peer.call(id, ask("callee")).await;
        }
        hostile.push(peer);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut honest = caller(&stage, "honest").await;
    honest.call(1, ask("callee")).await;
    let invocation = loop {
        let invocation = callee.invocation().await;
        let InvocationPayload::ModuleCall { caller, .. } = &invocation.payload else { panic!("no call") };
        if caller == "honest" {
            break invocation.invocation_id;
        }
    };
    callee.answer(invocation, Ok(Bytes::new())).await;
    assert_eq!(honest.response().await, (1, Ok(ResponsePayload::CallModule(Bytes::new()))));
}

#[test]
fn whoever_asks_a_module_last_finds_room_and_one_alone_has_half_of_what_is_shared() {
    let outbox = Arc::new(Outbox::default());
    let target = "callee".parse().unwrap();
    let mut kept = Vec::new();
    let mut ask = |name: &str| {
        let chain = Chain::extend(None, &name.parse().unwrap(), &target).unwrap();
        let payload = InvocationPayload::RpcCall { method: "a".to_owned(), params: "null".to_owned() };
        outbox.ask(payload, chain.deadline(), chain).is_ok_and(|pending| {
            kept.push(pending);
            true
        })
    };
    let taken = |ask: &mut dyn FnMut(&str) -> bool, name: &str| (0..1000).take_while(|_| ask(name)).count();
    assert_eq!(taken(&mut ask, "greedy"), MAX_SHARED / 2 + 1);
    for number in 0..cofferdam_control::MAX_MODULES - 2 {
        assert!(taken(&mut ask, &format!("hostile-{number}")) > 0, "{number} modules before");
    }
    assert!(!ask("greedy"), "the control: there is no more");
    assert!(outbox.outstanding() <= MAX_SHARED + cofferdam_control::MAX_MODULES);
}

#[tokio::test]
async fn a_module_cannot_take_the_json_rpc_name_of_one_that_has_not_registered_it_yet() {
    let stage = Stage::new().await;
    let granted = [Capability::RegisterRpcEndpoint];
    let mut victim = stage.open_module(module("wallet-cold", &granted)).await;
    let mut hostile = stage.open_module(module("wallet", &granted)).await;
    let register =
        |method: &str| RegisterRpcEndpoint { method: method.to_owned(), description: String::new() };
    hostile.call(1, register("cold_send")).await;
    let refused = hostile.response().await.1;
    assert!(matches!(refused, Err(ApiError::InvalidArgument { .. })), "{refused:?}");
    victim.call(1, register("send")).await;
    let registered = ResponsePayload::RegisterRpcEndpoint("wallet_cold_send".to_owned());
    assert_eq!(victim.response().await, (1, Ok(registered)));
}
