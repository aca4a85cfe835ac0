//! The operator's tools: JSON-RPC and metrics over the socket that the launcher hands in.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use cofferdam_control::{Interface, RpcCredentials};
use cofferdam_protocol::InvocationPayload;
use cofferdam_protocol::calls::RegisterRpcEndpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const PASSWORD: &str = "00112233445566778899aabbccddeeff";

/// A core with an interface, its module, and where the interface listens.
async fn core_with_tools() -> (Core, Peer, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cookie = RpcCredentials { user: "__cookie__".to_owned(), password: PASSWORD.to_owned() };
    let interface = Some(Interface { address, cookie, token: None });
    let module = RosterEntry { granted: vec![Capability::RegisterRpcEndpoint], ..entry() };
    let core = core_of(module, CoreSettings { interface, ..no_settings() }, Some(listener.into()), 0);
    assert_eq!(core.launcher.asked().await, Ask::Ready);
    let mut peer = core.open_module().await;
    let endpoint = RegisterRpcEndpoint { method: "echo".to_owned(), description: "says it again".to_owned() };
    peer.call(1, endpoint).await;
    assert!(peer.response().await.1.is_ok());
    (core, peer, address)
}

/// What the interface answers to a request with these credentials.
async fn http(address: SocketAddr, head: &str, password: &str, body: &str) -> String {
    use bitcoin::base64::Engine as _;
    let credentials =
        bitcoin::base64::engine::general_purpose::STANDARD.encode(format!("__cookie__:{password}"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

fn echo() -> &'static str {
    r#"{"jsonrpc":"2.0","id":1,"method":"block_watch_echo","params":{"a":[1,2]}}"#
}

#[tokio::test]
async fn a_json_rpc_call_reaches_the_module_and_its_answer_comes_back() {
    let (_core, mut peer, address) = core_with_tools().await;
    for (answer, expected) in [
        (Ok(Bytes::from_static(br#"{"said":[1,2]}"#)), r#""result":{"said":[1,2]}"#),
        (Ok(Bytes::from_static(b"no json")), "module block-watch"),
        (Err(cofferdam_protocol::ModuleFault { code: -7, message: "no".to_owned() }), r#""code":-7"#),
    ] {
        let asking = tokio::spawn(http(address, "POST /", PASSWORD, echo()));
        let invocation = peer.invocation().await;
        assert!(invocation.deadline_ms > 0);
        let InvocationPayload::RpcCall { method, params } = invocation.payload else { panic!("no RPC call") };
        assert_eq!((method.as_str(), params.as_str()), ("echo", r#"{"a":[1,2]}"#));
        peer.answer(invocation.invocation_id, answer).await;
        let reply = asking.await.unwrap();
        assert!(reply.contains(expected), "{reply}");
    }
    drop(peer);
    // Its session ends in a moment; then nobody has such a method.
    let gone = async { while !http(address, "POST /", PASSWORD, echo()).await.contains("-32601") {} };
    timeout(Duration::from_secs(60), gone).await.unwrap();
}

#[tokio::test]
async fn without_the_cookie_nothing_is_said() {
    let (_core, _peer, address) = core_with_tools().await;
    for head in ["POST /", "GET /metrics"] {
        let reply = http(address, head, "ffffffffffffffffffffffffffffffff", echo()).await;
        assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
    }
}

#[tokio::test]
async fn the_metrics_say_what_each_module_does() {
    let (_core, mut peer, address) = core_with_tools().await;
    peer.call(2, GetBlockHeight {}).await;
    assert!(peer.response().await.1.is_err());
    let text = http(address, "GET /metrics", PASSWORD, "").await;
    for line in [
        "cofferdam_calls_total{module=\"block-watch\"} 2\n",
        "cofferdam_call_errors_total{module=\"block-watch\"} 1\n",
        "cofferdam_refusals_total{module=\"block-watch\"} 1\n",
        "cofferdam_up{module=\"block-watch\"} 1\n",
        "cofferdam_sessions_total{module=\"block-watch\"} 1\n",
        "cofferdam_events_dropped_total{module=\"block-watch\"} 0\n",
        "cofferdam_modules 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
