//! What curl gets.

use std::process::Command;
use std::sync::atomic::Ordering;

use cofferdam_rpc::Limits;
use serde_json::{Value, json};

use crate::rig::{METRICS, Rig, SECRET};

/// The status and the body.
fn curl(rig: &Rig, path: &str, arguments: &[&str]) -> (u16, String) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .arg(format!("http://{}{path}", rig.address))
        .output()
        .expect("curl runs; on Debian: apt-get install curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn cookie() -> String {
    format!("__cookie__:{SECRET}")
}

fn post(rig: &Rig, body: &str) -> (u16, String) {
    curl(rig, "/", &["--user", &cookie(), "--data-binary", body])
}

fn post_json(rig: &Rig, body: &str) -> (u16, Value) {
    let (status, reply) = post(rig, body);
    (status, serde_json::from_str(&reply).unwrap())
}

#[test]
fn a_method_of_a_module_is_called_with_the_cookie() {
    let rig = Rig::start();
    let body = r#"{"jsonrpc":"2.0","id":"a","method":"demo_echo","params":[1, 2]}"#;
    let reply = "{\"jsonrpc\":\"2.0\",\"result\":[1, 2],\"id\":\"a\"}\n".to_owned();
    assert_eq!(post(&rig, body), (200, reply));
}

#[test]
fn a_method_of_a_module_is_called_with_the_token() {
    let rig = Rig::start();
    let bearer = format!("Authorization: Bearer {SECRET}");
    let body = r#"{"id":1,"method":"demo_echo","params":{"a":1}}"#;
    let (status, reply) = curl(&rig, "/", &["--header", &bearer, "--data-binary", body]);
    assert_eq!((status, reply.as_str()), (200, "{\"result\":{\"a\":1},\"error\":null,\"id\":1}\n"));
}

#[test]
fn metrics_are_served_to_those_with_credentials_only() {
    let rig = Rig::start();
    assert_eq!(curl(&rig, "/metrics", &["--user", &cookie()]), (200, METRICS.to_owned()));
    assert_eq!(curl(&rig, "/metrics", &[]).0, 401);
}

#[test]
fn wrong_and_missing_credentials_are_answered_401_and_nothing_is_called() {
    let rig = Rig::start();
    let wrong = format!("__cookie__:{}", SECRET.replace('0', "1"));
    let body = r#"{"id":1,"method":"demo_count"}"#;
    let (status, reply) = curl(&rig, "/", &["--user", &wrong, "--data-binary", body, "--include"]);
    assert_eq!(status, 401);
    assert!(reply.contains(r#"www-authenticate: Basic realm="jsonrpc""#), "{reply}");
    assert_eq!(curl(&rig, "/", &["--data-binary", body]).0, 401);
    assert_eq!(rig.backend.counted.load(Ordering::SeqCst), 0);
    // The control.
    assert_eq!(post(&rig, body).0, 200);
    assert_eq!(rig.backend.counted.load(Ordering::SeqCst), 1);
}

#[test]
fn web_pages_are_refused_even_with_credentials() {
    let rig = Rig::start();
    let body = r#"{"id":1,"method":"demo_count"}"#;
    let with =
        |header: &str| curl(&rig, "/", &["--user", &cookie(), "--header", header, "--data-binary", body]).0;
    assert_eq!(with("Origin: http://example.org"), 403);
    assert_eq!(with("Origin: null"), 403);
    assert_eq!(with("Host: example.org"), 403);
    assert_eq!(with("Host: 127.0.0.1.example.org"), 403);
    assert_eq!(rig.backend.counted.load(Ordering::SeqCst), 0);
    assert_eq!([with("Host: localhost:1"), with("Host: [::1]:8332"), with("X-Other: 1")], [200; 3]);
}

#[test]
fn legacy_errors_are_http_errors_as_in_bitcoin_core() {
    let rig = Rig::start();
    let error = json!({"code": -8, "message": "Block height out of range", "data": {"height": 7}});
    let expected = json!({"result": null, "error": error, "id": 1});
    assert_eq!(post_json(&rig, r#"{"id":1,"method":"demo_fail"}"#), (500, expected));
    let (status, reply) = post_json(&rig, r#"{"id":1,"method":"demo_ehco"}"#);
    assert_eq!((status, &reply["error"]["code"]), (404, &json!(-32601)));
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(message.contains("did you mean demo_echo"), "{message}");
    let (status, reply) = post_json(&rig, r#"{"id":1}"#);
    assert_eq!((status, &reply["error"]["code"]), (400, &json!(-32600)));
    let (status, reply) = post_json(&rig, "this is bad");
    assert_eq!((status, &reply["error"]["code"], &reply["id"]), (500, &json!(-32700), &json!(null)));
}

#[test]
fn errors_of_version_2_are_http_successes_with_one_key() {
    let rig = Rig::start();
    let error = json!({"code": -8, "message": "Block height out of range", "data": {"height": 7}});
    let expected = json!({"jsonrpc": "2.0", "error": error, "id": null});
    assert_eq!(post_json(&rig, r#"{"jsonrpc":"2.0","id":null,"method":"demo_fail"}"#), (200, expected));
    let (status, reply) = post_json(&rig, r#"{"jsonrpc":"2.0","id":1,"method":"nothing"}"#);
    assert_eq!((status, &reply["error"]["code"]), (200, &json!(-32601)));
    let (status, reply) = post_json(&rig, r#"{"jsonrpc":"3.0","id":1,"method":"demo_echo"}"#);
    assert_eq!((status, &reply["error"]["code"], &reply["id"]), (400, &json!(-32600), &json!(1)));
}

#[test]
fn notifications_are_carried_out_and_answered_204() {
    let rig = Rig::start();
    let notification = r#"{"jsonrpc":"2.0","method":"demo_count"}"#;
    assert_eq!(post(&rig, notification), (204, String::new()));
    assert_eq!(post(&rig, &format!("[{notification},{notification}]")), (204, String::new()));
    assert_eq!(rig.backend.counted.load(Ordering::SeqCst), 3);
}

#[test]
fn a_batch_is_answered_in_order_without_its_notifications() {
    let rig = Rig::start();
    let body = r#"[
        {"jsonrpc":"2.0","id":1,"method":"demo_echo","params":[1]},
        {"jsonrpc":"2.0","method":"demo_count"},
        {"id":2,"method":"demo_fail"},
        7,
        {"jsonrpc":"2.0","id":3,"method":"uptime"}
    ]"#;
    let (status, replies) = post_json(&rig, body);
    assert_eq!(status, 200);
    assert_eq!(replies.as_array().unwrap().len(), 4);
    assert_eq!(replies[0], json!({"jsonrpc": "2.0", "result": [1], "id": 1}));
    assert_eq!((&replies[1]["error"]["code"], &replies[1]["result"]), (&json!(-8), &json!(null)));
    assert_eq!((&replies[2]["error"]["code"], &replies[2]["id"]), (&json!(-32600), &json!(null)));
    assert!(replies[3]["result"].is_u64());
    assert_eq!(post(&rig, "[]"), (200, "[]\n".to_owned()));
}

#[test]
fn help_lists_all_methods_or_describes_one() {
    let rig = Rig::start();
    let (_, all) = post_json(&rig, r#"{"id":1,"method":"help"}"#);
    let names: Vec<_> =
        all["result"].as_array().unwrap().iter().map(|help| help["name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["help", "uptime", "demo_echo"]);
    let (_, one) = post_json(&rig, r#"{"id":1,"method":"help","params":["demo_echo"]}"#);
    let expected = json!({"name": "demo_echo", "description": "The method echo.", "module": "demo"});
    assert_eq!(one["result"], expected);
    let (_, wrong) = post_json(&rig, r#"{"id":1,"method":"help","params":[1]}"#);
    assert_eq!(wrong["error"]["code"], -32602);
    let (_, wrong) = post_json(&rig, r#"{"id":1,"method":"uptime","params":[1]}"#);
    assert_eq!(wrong["error"]["code"], -32602);
}

#[test]
fn a_module_that_does_not_answer_costs_an_error_that_names_it() {
    let limits = Limits { call_deadline: std::time::Duration::from_millis(50), ..Limits::default() };
    let rig = Rig::with(limits);
    let (status, reply) = post_json(&rig, r#"{"id":1,"method":"demo_hang"}"#);
    assert_eq!((status, &reply["error"]["code"]), (500, &json!(-32001)));
    let message = reply["error"]["message"].as_str().unwrap();
    assert_eq!(message, "module demo did not answer demo_hang within 0.05 s");
    assert_eq!(rig.backend.hanging.load(Ordering::SeqCst), 0, "the call goes on");
}

#[test]
fn an_answer_that_parsers_disagree_about_is_not_passed_on() {
    let rig = Rig::start();
    let (status, reply) = post_json(&rig, r#"{"id":1,"method":"demo_twice"}"#);
    assert_eq!((status, &reply["error"]["code"]), (500, &json!(-32603)));
}

#[test]
fn replies_beyond_the_limit_become_errors_also_together() {
    let rig = Rig::with(Limits { reply_bytes: (3 << 20) + 100, ..Limits::default() });
    let (status, one) = post_json(&rig, r#"{"id":1,"method":"demo_big"}"#);
    assert_eq!((status, &one["error"]), (200, &json!(null)));
    let (_, two) = post_json(&rig, r#"[{"id":1,"method":"demo_big"},{"id":2,"method":"demo_big"}]"#);
    assert_eq!((&two[0]["error"], &two[1]["error"]["code"]), (&json!(null), &json!(-32002)));
    let rig = Rig::with(Limits { reply_bytes: 1 << 20, ..Limits::default() });
    let (status, one) = post_json(&rig, r#"{"id":1,"method":"demo_big"}"#);
    assert_eq!((status, &one["error"]["code"]), (500, &json!(-32002)));
}

#[test]
fn other_paths_and_methods_are_refused_with_what_there_is() {
    let rig = Rig::start();
    let with =
        |path: &str, arguments: &[&str]| curl(&rig, path, &[&["--user", &cookie()], arguments].concat());
    assert_eq!(
        with("/wallet/x", &["--data", "{}"]),
        (404, "there are only POST / and GET /metrics\n".to_owned())
    );
    assert_eq!(with("/", &[]), (405, "JSON-RPC is POST / only\n".to_owned()));
    assert_eq!(with("/metrics", &["--data", "{}"]).0, 405);
}

#[test]
fn a_body_is_taken_to_its_limit_and_no_further() {
    let rig = Rig::start();
    let of_length = |length: usize| {
        let frame = r#"{"id":1,"method":"demo_echo","params":[""]}"#;
        frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    let send = |body: &str, header: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), body).unwrap();
        let data = format!("@{}", file.path().display());
        curl(&rig, "/", &["--user", &cookie(), "--header", header, "--data-binary", &data]).0
    };
    assert_eq!(send(&of_length(1 << 20), "X-Other: 1"), 200);
    assert_eq!(send(&of_length((1 << 20) + 1), "X-Other: 1"), 413);
    assert_eq!(send(&of_length(1 << 20), "Transfer-Encoding: chunked"), 200);
    assert_eq!(send(&of_length((1 << 20) + 1), "Transfer-Encoding: chunked"), 413);
    assert_eq!(send(&of_length((1 << 20) + 1), "Expect:"), 413);
}
