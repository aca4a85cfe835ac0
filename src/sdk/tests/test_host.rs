//! The host for tests: what a module's author may rely on.

#![allow(clippy::expect_used, reason = "a connection that fails is a failed test")]

use cofferdam_sdk::bitcoin::ScriptBuf;
use cofferdam_sdk::testing::{Capability, TestHost};
use cofferdam_sdk::{
    ApiError, EventPayload, EventType, InvocationPayload, LogLevel, ModuleIntegration, ModuleMessage,
    SdkError,
};
use serde_json::json;

async fn next_event(module: &ModuleIntegration) -> EventPayload {
    match module.event_receiver().recv().await {
        Some(ModuleMessage::Event(event)) => event.payload,
        other => unreachable!("an event was expected, not {other:?}"),
    }
}

fn api(error: SdkError) -> ApiError {
    error.api().cloned().unwrap_or_else(|| unreachable!("an answer of the host was expected, not {error}"))
}

#[tokio::test]
async fn a_call_without_its_capability_is_refused_and_one_with_it_is_answered() {
    let host = TestHost::granting([Capability::ReadChainState]);
    let node = host.connect().await.node_api();
    assert_eq!(node.get_block_height().await.expect("granted"), 0);
    let refused = api(node.get_mempool_size().await.expect_err("not granted"));
    assert!(matches!(refused, ApiError::PermissionDenied { capability, .. } if capability == "read_mempool"));
}

#[tokio::test]
async fn what_nobody_scripted_is_an_error_that_says_which_line_to_add() {
    let host = TestHost::granting([Capability::ReadNetwork, Capability::CallModule]);
    let node = host.connect().await.node_api();
    let error = node.get_network_stats().await.expect_err("not scripted").to_string();
    assert!(error.contains("host.answer::<calls::GetNetworkStats>(|call| Ok(..))"), "{error}");
    let call = node.call_module("other".to_owned(), "ping".to_owned(), "".into());
    let error = call.await.expect_err("not scripted").to_string();
    assert!(error.contains("host.on_module(\"other\""), "{error}");

    host.on_module("other", |method, _| Ok(method.to_owned().into()));
    let call = node.call_module("other".to_owned(), "ping".to_owned(), "".into());
    assert_eq!(call.await.expect("scripted"), "ping");
}

#[tokio::test]
async fn a_reorganisation_is_told_in_order_and_the_chain_is_as_told() {
    let host = TestHost::granting(Capability::ALL.iter().copied());
    let mut module = host.connect().await;
    let old = host.mine([]);
    let types = [EventType::NewBlock, EventType::BlockDisconnected, EventType::ChainReorg];
    module.subscribe_events(types.to_vec()).await.expect("granted");
    let new = host.reorganise(1);
    let gone = EventPayload::BlockDisconnected { hash: old.block_hash().into(), height: 1 };
    assert_eq!(next_event(&module).await, gone);
    for (height, block) in (1..).zip(&new) {
        let told = next_event(&module).await;
        assert!(
            matches!(told, EventPayload::NewBlock { hash, height: at, .. } if at == height && hash == block.block_hash().into())
        );
    }
    assert!(matches!(next_event(&module).await, EventPayload::ChainReorg { depth: 1, fork_height: 0, .. }));
    let info = module.node_api().get_chain_info().await.expect("granted");
    assert_eq!((info.height, Some(info.tip)), (2, new.last().map(|block| block.block_hash().into())));
}

#[tokio::test]
async fn a_module_that_resumes_gets_what_it_missed_or_is_told_that_it_is_lost() {
    let host = TestHost::granting([Capability::SubscribeEvents]);
    host.mine([]);
    let mut module = host.connect().await;
    module.resume_events(vec![EventType::NewBlock], 0).await.expect("granted");
    assert!(matches!(next_event(&module).await, EventPayload::NewBlock { height: 1, .. }));
    host.forget_events();
    module.resume_events(vec![EventType::NewBlock], 0).await.expect("granted");
    assert!(matches!(next_event(&module).await, EventPayload::EventsDropped { from: 1, .. }));
}

#[tokio::test]
async fn a_payment_has_the_fee_that_was_asked_for_and_leaves_the_mempool_with_its_block() {
    let host = TestHost::granting([Capability::ReadMempool]);
    host.mine([]);
    let payment = host.payment(ScriptBuf::new(), 1000, 250);
    let txid = host.add_to_mempool(payment.clone());
    let node = host.connect().await.node_api();
    assert_eq!(node.get_mempool_size().await.expect("granted").total_fee_sats, 250);
    assert_eq!(node.mempool_txids().await.expect("granted"), [txid]);
    host.mine([payment]);
    assert_eq!(node.mempool_txids().await.expect("granted"), []);
}

#[tokio::test]
async fn storage_stays_over_a_restart_and_pages_are_put_together() {
    let host = TestHost::granting(Capability::ALL.iter().copied());
    let module = host.connect().await;
    let node = module.node_api();
    let tree = node.storage_open_tree("t".to_owned()).await.expect("granted");
    for key in 0..3_u8 {
        node.storage_insert(tree, vec![b'k', key].into(), vec![0; 600_000].into()).await.expect("granted");
    }
    drop((module, node));
    let node = host.connect().await.node_api();
    let first = node.storage_iter(tree, "k".into(), None, 10).await.expect("granted");
    assert!(first.more && first.entries.len() < 3, "a page is bounded");
    assert_eq!(node.storage_entries(tree, "k").await.expect("granted").len(), 3);
}

#[tokio::test]
async fn timers_and_json_rpc_calls_reach_the_module_and_its_answer_comes_back() {
    let host = TestHost::granting([Capability::ManageTimers, Capability::RegisterRpcEndpoint]);
    let module = host.connect().await;
    let node = module.node_api();
    node.register_timer(1000, "tick".to_owned()).await.expect("granted");
    node.register_rpc_endpoint("ping".to_owned(), String::new()).await.expect("granted");
    host.fire("tick").await;
    let mut invocations = module.invocation_receiver();
    let fired = invocations.recv().await.expect("an invocation");
    assert!(matches!(fired.payload(), InvocationPayload::TimerFired { label, .. } if label == "tick"));
    let serving = async { invocations.recv().await.expect("a call").answer("[1]").expect("it is sent") };
    let (answer, ()) = tokio::join!(host.call_rpc("ping", json!(null)), serving);
    assert_eq!(answer, Ok(json!([1])));
    node.log(LogLevel::Info, "done".to_owned()).await.expect("everyone may");
    assert_eq!(host.logged("done").await.level, LogLevel::Info);
}
