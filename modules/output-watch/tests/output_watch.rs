//! The module as a program, against the SDK's host for tests: payments, reorganisations, restarts.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a module that cannot be started, or answers something else, is a failed test"
)]

use std::process::{Child, Command};

use cofferdam_sdk::bitcoin::ScriptBuf;
use cofferdam_sdk::testing::{TestHost, transaction};
use cofferdam_sdk::{ApiError, EventType, INVALID_PARAMS, ModuleFault, OutPoint};
use serde_json::{Value, json};

/// A watched script: OP_2.
const SCRIPT: &str = "52";

fn script() -> ScriptBuf {
    ScriptBuf::from_hex(SCRIPT).expect("hexadecimal")
}

fn program(host: &TestHost) -> Command {
    let mut program = host.command(env!("CARGO_BIN_EXE_output-watch"));
    program.env("MODULE_CONFIG_ADDRESSES", SCRIPT).env("MODULE_CONFIG_START_HEIGHT", "1");
    program
}

fn start(host: &TestHost) -> Child {
    program(host).spawn().expect("the module starts")
}

async fn end(host: &TestHost, module: Child) {
    assert!(host.end(module).await.success());
}

/// The balance when the index is at the tip.
async fn balance(host: &TestHost) -> Value {
    loop {
        let balance = host.call_rpc("balance", json!([SCRIPT])).await.expect("a balance");
        if balance["height"] == json!(host.blocks().len() - 1) {
            return balance["sats"].clone();
        }
    }
}

#[tokio::test]
async fn payments_are_counted_spent_and_told() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    let payment = transaction(&[], &[(ScriptBuf::new(), 9), (script(), 700)]);
    let paid = OutPoint { txid: payment.compute_txid().into(), vout: 1 };
    host.mine([payment]);
    assert_eq!(balance(&host).await, json!(700));
    let told: Value = serde_json::from_slice(&host.published()[0].data).expect("JSON");
    assert_eq!((&told["sats"], &told["vout"], &told["height"]), (&json!(700), &json!(1), &json!(1)));
    assert_eq!(host.published()[0].event_type, EventType::PaymentVerified);

    host.mine([transaction(&[paid], &[(script(), 300)])]);
    assert_eq!(balance(&host).await, json!(300));
    let page = host.call_rpc("outputs", json!([SCRIPT])).await.expect("outputs");
    let spent = page["outputs"].as_array().expect("a list").iter().find(|row| row["sats"] == json!(700));
    assert_eq!(spent.expect("the spent one")["spent_height"], json!(2));
    end(&host, module).await;
}

#[tokio::test]
async fn a_reorganisation_is_undone_exactly() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    let payment = transaction(&[], &[(script(), 700)]);
    let paid = OutPoint { txid: payment.compute_txid().into(), vout: 0 };
    host.mine([payment]);
    host.mine([transaction(&[paid], &[(script(), 300)])]);
    assert_eq!(balance(&host).await, json!(300));

    host.reorganise(1);
    assert_eq!(balance(&host).await, json!(700));
    host.reorganise(3);
    assert_eq!(balance(&host).await, json!(0));
    end(&host, module).await;
}

#[tokio::test]
async fn what_happened_while_it_was_away_is_made_up_for_even_a_deep_reorganisation() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    host.mine([transaction(&[], &[(script(), 1)])]);
    [10, 20, 40].iter().for_each(|sats| drop(host.mine([transaction(&[], &[(script(), *sats)])])));
    assert_eq!(balance(&host).await, json!(71));
    end(&host, module).await;

    let branch = [100, 200, 400, 800].map(|sats| vec![transaction(&[], &[(script(), sats)])]);
    host.reorganise_to(3, branch.to_vec());
    let module = start(&host);
    assert_eq!(balance(&host).await, json!(1501));
    end(&host, module).await;
}

#[tokio::test]
async fn a_payment_is_verified_and_told_with_its_last_confirmation_and_not_before() {
    let host = TestHost::from_manifest("module.toml");
    let module = program(&host).env("MODULE_CONFIG_CONFIRMATIONS", "2").spawn().expect("the module starts");
    host.mine([transaction(&[], &[(script(), 700)])]);
    assert_eq!(balance(&host).await, json!(700));
    let verified = async || {
        let page = host.call_rpc("outputs", json!([SCRIPT])).await.expect("outputs");
        page["outputs"][0]["verified"].clone()
    };
    assert_eq!((verified().await, host.published().len()), (json!(false), 0));
    host.mine([]);
    balance(&host).await;
    assert_eq!((verified().await, host.published().len()), (json!(true), 1));
    end(&host, module).await;
}

#[tokio::test]
async fn another_module_is_asked_what_a_script_is_for_and_a_fault_of_it_costs_no_answer() {
    let host = TestHost::from_manifest("module.toml");
    let module = program(&host).env("MODULE_CONFIG_DESCRIBER", "invoice-desk").spawn();
    let module = module.expect("the module starts");
    let described =
        async || host.call_rpc("balance", json!([SCRIPT])).await.expect("a balance")["described"].clone();
    host.on_module("invoice-desk", |method, params| {
        assert_eq!((method, params.as_ref()), ("describe", br#"["52"]"#.as_slice()));
        Ok(r#"{"invoice":"1"}"#.into())
    });
    assert_eq!(described().await, json!({ "invoice": "1" }));
    host.on_module("invoice-desk", |_, _| Err(ModuleFault { code: 7, message: "closed".to_owned() }));
    assert!(described().await["error"].as_str().is_some_and(|error| error.contains("closed")));
    host.on_module("invoice-desk", |_, _| Ok("{".into()));
    assert!(described().await["error"].as_str().is_some_and(|error| error.contains("not JSON")));
    end(&host, module).await;
}

#[tokio::test]
async fn what_a_caller_asked_to_watch_is_watched_after_a_restart_too() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    let watched = host.call_module("invoice-desk", "watch", r#"["53"]"#).await.expect("it is watched");
    let watched: Value = serde_json::from_slice(&watched).expect("JSON");
    assert_eq!((&watched["new"], &watched["from_height"]), (&json!(true), &json!(1)));
    end(&host, module).await;

    let module = start(&host);
    let other = ScriptBuf::from_hex("53").expect("hexadecimal");
    host.mine([transaction(&[], &[(other, 5)])]);
    balance(&host).await;
    assert_eq!(host.call_rpc("balance", json!(["53"])).await.expect("a balance")["sats"], json!(5));
    end(&host, module).await;
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_and_the_module_goes_on() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    for params in
        [json!([]), json!(["nonsense"]), json!({ "address": 7 }), json!(["54"]), json!([SCRIPT, "x"])]
    {
        let fault = host.call_rpc("balance", params.clone()).await.expect_err("a fault");
        assert_eq!(fault.code, INVALID_PARAMS, "{params}");
    }
    let error = host.call_module("other", "watch", "[").await.expect_err("a fault");
    assert!(matches!(error, ApiError::ModuleFailed { code: INVALID_PARAMS, .. }), "{error}");
    assert_eq!(balance(&host).await, json!(0));
    end(&host, module).await;
}

#[tokio::test]
async fn a_setting_that_cannot_be_right_ends_the_module_with_its_key() {
    let host = TestHost::from_manifest("module.toml");
    let mut program = program(&host);
    program.env("MODULE_CONFIG_ADDRESSES", "bc1nonsense").stderr(std::process::Stdio::piped());
    let module = program.spawn().expect("the module starts");
    let ended = tokio::task::spawn_blocking(|| module.wait_with_output()).await.expect("a thread");
    let ended = ended.expect("it ends");
    assert!(!ended.status.success());
    assert!(String::from_utf8_lossy(&ended.stderr).starts_with("configuration key addresses: "));
}
