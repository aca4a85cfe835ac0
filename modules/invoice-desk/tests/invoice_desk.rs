//! The module as a program, against the SDK's host for tests; output-watch is scripted.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a module that cannot be started, or answers something else, is a failed test"
)]

use std::process::Child;
use std::sync::{Arc, Mutex};

use cofferdam_sdk::lightning::{PAYMENT_STATE_METHOD, PaymentState, PaymentStatus};
use cofferdam_sdk::testing::TestHost;
use cofferdam_sdk::{
    Bytes, EventPayload, EventType, INTERNAL_ERROR, INVALID_PARAMS, ModuleFault, PublishedEvent,
};
use serde_json::{Value, json};

const SCRIPT: &str = "51";

/// The outputs that the scripted output-watch knows, and what it was asked to watch.
#[derive(Default)]
struct Watcher {
    outputs: Vec<Value>,
    watched: Vec<Value>,
}

fn host() -> (TestHost, Arc<Mutex<Watcher>>) {
    let host = TestHost::from_manifest("module.toml");
    let watcher = Arc::new(Mutex::new(Watcher::default()));
    let shared = Arc::clone(&watcher);
    host.on_module("output-watch", move |method, params| {
        let params: Value = serde_json::from_slice(&params).expect("JSON");
        let mut watcher = shared.lock().expect("not poisoned");
        let answer = match method {
            "watch" if params[0] == "nonsense" => {
                return Err(ModuleFault { code: INVALID_PARAMS, message: "neither".to_owned() });
            }
            "watch" => {
                watcher.watched.push(params[0].clone());
                json!({ "script": params[0], "new": true, "from_height": 1 })
            }
            _ => json!({ "outputs": watcher.outputs, "more": false, "height": 9 }),
        };
        Ok(Bytes::from(answer.to_string()))
    });
    (host, watcher)
}

async fn start(host: &TestHost, invoices: usize) -> Child {
    let module = host.command(env!("CARGO_BIN_EXE_invoice-desk")).spawn().expect("the module starts");
    host.logged(&format!("open, with {invoices} invoices")).await;
    module
}

async fn create(host: &TestHost, sats: u64) -> Value {
    host.call_rpc("create", json!([SCRIPT, sats, "two coffees"])).await.expect("an invoice")
}

fn tell(host: &TestHost, publisher: &str, vout: u32, sats: u64) {
    let told = json!({ "script": SCRIPT, "txid": "07".repeat(32), "vout": vout, "sats": sats });
    let event = PublishedEvent { publisher: publisher.to_owned(), data: told.to_string().into() };
    host.publish(EventPayload::PaymentVerified(event));
}

/// The state that the host is told, once this much was paid.
async fn state(host: &TestHost, paid_sats: u64) -> PaymentState {
    while host.call_rpc("get", json!([1])).await.expect("an invoice")["paid_sats"] != json!(paid_sats) {}
    let state = host.call_module("host", PAYMENT_STATE_METHOD, "\"1\"").await.expect("a state");
    serde_json::from_slice(&state).expect("a state")
}

#[tokio::test]
async fn an_invoice_is_watched_and_settled_by_what_output_watch_tells() {
    let (host, watcher) = host();
    let module = start(&host, 0).await;
    let invoice = create(&host, 100).await;
    assert_eq!((&invoice["id"], &invoice["status"]), (&json!("1"), &json!("Requested")));
    assert_eq!(watcher.lock().expect("not poisoned").watched, [json!(SCRIPT)]);
    assert_eq!(state(&host, 0).await.status, PaymentStatus::Requested);

    tell(&host, "output-watch", 0, 60);
    assert_eq!(state(&host, 60).await.status, PaymentStatus::Pending);
    assert_eq!(host.published().len(), 0);
    tell(&host, "output-watch", 0, 60);
    tell(&host, "output-watch", 1, 40);
    let settled = state(&host, 100).await;
    assert_eq!((settled.status, settled.amount_msats), (PaymentStatus::Settled, Some(100_000)));
    assert_eq!(host.published()[0].event_type, EventType::PaymentSettled);
    assert_eq!(host.published().len(), 1);
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn what_another_module_publishes_settles_nothing() {
    let (host, _) = host();
    let module = start(&host, 0).await;
    create(&host, 100).await;
    tell(&host, "other", 0, 100);
    host.logged("a PaymentVerified of other settles nothing").await;
    assert_eq!(state(&host, 0).await.status, PaymentStatus::Requested);
    // The control: of output-watch the same event does.
    tell(&host, "output-watch", 0, 100);
    assert_eq!(state(&host, 100).await.status, PaymentStatus::Settled);
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn a_payment_whose_event_was_lost_is_found_at_the_next_look_and_an_unverified_one_is_not() {
    let (host, watcher) = host();
    let module = start(&host, 0).await;
    create(&host, 100).await;
    let row = |vout, verified| json!({ "outpoint": format!("{}:{vout}", "07".repeat(32)), "sats": 100, "verified": verified });
    watcher.lock().expect("not poisoned").outputs = vec![row(0, false)];
    host.fire("reconcile").await;
    assert_eq!(state(&host, 0).await.status, PaymentStatus::Requested);
    watcher.lock().expect("not poisoned").outputs = vec![row(0, true)];
    host.fire("reconcile").await;
    assert_eq!(state(&host, 100).await.status, PaymentStatus::Settled);
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn invoices_are_there_after_a_restart_and_watched_again_while_they_are_open() {
    let (host, watcher) = host();
    let module = start(&host, 0).await;
    let made = create(&host, 100).await;
    assert!(host.end(module).await.success());
    watcher.lock().expect("not poisoned").watched.clear();

    let module = start(&host, 1).await;
    assert_eq!(watcher.lock().expect("not poisoned").watched, [json!(SCRIPT)]);
    let listed = host.call_rpc("list", json!([])).await.expect("a list");
    assert_eq!(listed, json!({ "invoices": [made], "more": false }));
    assert_eq!(host.call_rpc("list", json!([1])).await.expect("a list")["invoices"], json!([]));
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn others_are_told_what_a_script_is_for() {
    let (host, _) = host();
    let module = start(&host, 0).await;
    create(&host, 100).await;
    let described = host.call_module("output-watch", "describe", r#"["51"]"#).await.expect("an answer");
    let described: Value = serde_json::from_slice(&described).expect("JSON");
    assert_eq!(described, json!({ "invoice": "1", "memo": "two coffees", "sats": 100 }));
    let nothing = host.call_module("output-watch", "describe", r#"["52"]"#).await.expect("an answer");
    assert_eq!(nothing, "null");
    let unknown = host.call_module("host", PAYMENT_STATE_METHOD, "\"2\"").await.expect("an answer");
    assert_eq!(unknown, "null");
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_and_nothing_is_made() {
    let (host, _) = host();
    let module = start(&host, 0).await;
    create(&host, 100).await;
    let long = "m".repeat(501);
    for (params, code) in [
        (json!([]), INVALID_PARAMS),
        (json!(["52"]), INVALID_PARAMS),
        (json!(["52", 0]), INVALID_PARAMS),
        (json!(["52", -1]), INVALID_PARAMS),
        (json!(["52", 2_100_000_000_000_001_u64]), INVALID_PARAMS),
        (json!(["52", 1, 7]), INVALID_PARAMS),
        (json!(["52", 1, long]), INVALID_PARAMS),
        (json!([SCRIPT, 1]), INVALID_PARAMS),
        (json!(["nonsense", 1]), INTERNAL_ERROR),
    ] {
        let fault = host.call_rpc("create", params.clone()).await.expect_err("a fault");
        assert_eq!(fault.code, code, "{params}: {fault}");
    }
    assert_eq!(host.call_rpc("get", json!([2])).await.expect_err("a fault").code, INVALID_PARAMS);
    let listed = host.call_rpc("list", json!([])).await.expect("a list");
    assert_eq!(listed["invoices"].as_array().map(Vec::len), Some(1));
    assert!(host.end(module).await.success());
}
