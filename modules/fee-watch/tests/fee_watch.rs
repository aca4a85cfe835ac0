//! The module as a program, against the SDK's host for tests.

#![allow(clippy::expect_used, reason = "a module that cannot be started is a failed test")]

use std::process::Child;

use cofferdam_sdk::bitcoin::ScriptBuf;
use cofferdam_sdk::calls::GetFeeEstimate;
use cofferdam_sdk::mempool::FeeEstimate;
use cofferdam_sdk::metrics::SampleValue;
use cofferdam_sdk::testing::TestHost;
use cofferdam_sdk::{ApiError, INVALID_PARAMS};
use serde_json::{Value, json};

fn start(host: &TestHost) -> Child {
    let mut program = host.command(env!("CARGO_BIN_EXE_fee-watch"));
    program.env("MODULE_CONFIG_WINDOW", "10").spawn().expect("the module starts")
}

/// A mempool of three transactions that pay 200, 400 and 4000 satoshis.
fn three_transactions(host: &TestHost) -> Vec<u64> {
    host.mine([]);
    let pay = |fee_sats| {
        let payment = host.payment(ScriptBuf::new(), 1000, fee_sats);
        let rate = fee_sats * 1000 / u64::try_from(payment.vsize()).expect("small");
        host.add_to_mempool(payment);
        rate
    };
    [200, 400, 4000].map(pay).to_vec()
}

async fn summary(host: &TestHost) -> Value {
    host.call_rpc("summary", json!([])).await.expect("an answer")
}

#[tokio::test]
async fn the_rates_of_transactions_are_summed_up_and_the_nodes_estimate_is_given_beside_them() {
    let host = TestHost::from_manifest("module.toml");
    host.answer::<GetFeeEstimate>(|call| {
        let target_blocks = call.target_blocks;
        Ok(FeeEstimate { sats_per_vbyte: 3, msats_per_vbyte: 2500, target_blocks, simulated: false })
    });
    let module = start(&host);
    summary(&host).await;
    let rates = three_transactions(&host);

    let mut told = summary(&host).await;
    while told["recent"]["transactions"] != json!(3) {
        told = summary(&host).await;
    }
    let percentiles = ["p10", "p50", "p90"].map(|p| told["recent"][format!("{p}_msats_per_vbyte")].as_u64());
    assert_eq!(percentiles, [Some(rates[0]), Some(rates[1]), Some(rates[2])]);
    assert_eq!((told["mempool"]["transactions"].as_u64(), told["height"].as_u64()), (Some(3), Some(1)));
    let estimate = host.call_rpc("estimate", json!([12])).await.expect("an answer");
    assert_eq!(estimate["node"], json!({ "msats_per_vbyte": 2500, "target_blocks": 12, "simulated": false }));

    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn a_refresh_reports_metrics() {
    let host = TestHost::from_manifest("module.toml");
    let module = start(&host);
    summary(&host).await;
    three_transactions(&host);
    while summary(&host).await["recent"]["transactions"] != json!(3) {}

    host.fire("refresh").await;
    host.wait_for("the last metric", |host| host.metric("mempool_virtual_bytes")).await;
    assert_eq!(host.metric("transactions_total"), Some(SampleValue::Counter(3.0)));
    assert!(
        matches!(host.metric("median_msats_per_vbyte"), Some(SampleValue::Gauge(median)) if median > 0.0)
    );
    assert!(matches!(host.metric("medians_msats_per_vbyte"), Some(SampleValue::Histogram { count: 1, .. })));

    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn what_a_caller_or_the_node_gets_wrong_is_told_and_the_module_goes_on() {
    let host = TestHost::from_manifest("module.toml");
    let reason = "no blocks yet".to_owned();
    host.answer::<GetFeeEstimate>(move |_| Err(ApiError::InsufficientData { reason: reason.clone() }));
    let module = start(&host);

    let fault = host.call_rpc("estimate", json!(["soon"])).await.expect_err("not a target");
    assert_eq!(fault.code, INVALID_PARAMS);
    let estimate = host.call_rpc("estimate", json!([6])).await.expect("an answer");
    assert!(
        estimate["node"]["error"].as_str().is_some_and(|error| error.contains("no blocks yet")),
        "{estimate}"
    );
    assert_eq!(summary(&host).await["recent"]["p50_msats_per_vbyte"], Value::Null);

    assert!(host.end(module).await.success());
}
