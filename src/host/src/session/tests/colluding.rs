//! Modules that work together against another one.

use bytes::Bytes;
use cofferdam_protocol::calls::{CallModule, RegisterModuleApi, RegisterRpcEndpoint};
use cofferdam_protocol::modules::{ModuleApi, ModuleMethod};

use super::peer::{Peer, module};
use super::*;
use crate::dispatch::{MAX_RELAYED, MAX_RELAYED_IN_ALL};

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
