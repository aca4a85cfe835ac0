//! The client against nodes that are wrong, hostile or restarted, played by a server of this test.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitcoin::Network;
use bitcoin::consensus::deserialize;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::NodeStatus;

mod services;
mod sharing;

/// What the played node says to one request.
enum Say {
    Result(Value),
    Status(u16),
    /// This body and nothing around it.
    Body(String),
    HangUp,
    /// Nothing, while the connection stays.
    Never,
}

type Script = dyn Fn(&str, &Value, &str) -> Say + Send + Sync;

/// Serves `script`, which sees method, parameters and the `Authorization` header.
async fn play(script: impl Fn(&str, &Value, &str) -> Say + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script: Arc<Script> = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&script)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, script: Arc<Script>) {
    while let Some((authorization, request)) = read_request(&mut stream).await {
        let method = request["method"].as_str().unwrap();
        assert!(RPC_METHODS.iter().any(|listed| listed.name == method), "{method} is not listed");
        let (status, body) = match script(method, &request["params"], &authorization) {
            Say::Result(result) => (200, json!({ "result": result, "id": request["id"] }).to_string()),
            Say::Status(status) => (status, String::new()),
            Say::Body(body) => (200, body),
            Say::HangUp => return,
            Say::Never => std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let mut body = vec![0; field("content-length:").parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some((field("authorization:"), serde_json::from_slice(&body).unwrap()))
}

/// What an honest node on an empty regtest chain says.
fn honest(method: &str, params: &Value) -> Say {
    let genesis = genesis_block(Network::Regtest);
    Say::Result(match method {
        "getblockchaininfo" => info(genesis.block_hash(), 0, 0),
        "getblockhash" => json!(genesis.block_hash()),
        "getblockheader" if params[0] == json!(genesis.block_hash()) => json!(serialize_hex(&genesis.header)),
        "getdeploymentinfo" => json!({ "hash": "", "deployments": { "taproot": { "type": "bip9" } } }),
        other => panic!("{other} {params}"),
    })
}

fn info(best: BlockHash, blocks: u32, headers: u32) -> Value {
    json!({
        "chain": "regtest", "blocks": blocks, "headers": headers, "bestblockhash": best,
        "difficulty": 1.5, "mediantime": 1, "verificationprogress": 0.5, "initialblockdownload": false,
        "chainwork": "00".repeat(32), "warnings": "",
    })
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn client(rpc: SocketAddr, credentials: impl Credentials + 'static) -> Bitcoind {
    let poll_interval = Duration::from_millis(1);
    let settings = BitcoindSettings { rpc, zmq: None, chain: Chain::Regtest, poll_interval };
    Bitcoind::new(settings, Arc::new(credentials))
}

/// The error of a first call to a node that differs from an honest one in one answer.
async fn refusal(method: &'static str, answer: Value) -> NodeError {
    let address = play(move |asked, params, _| match asked == method {
        true => Say::Result(answer.clone()),
        false => honest(asked, params),
    });
    client(address.await, secret("a:b")).chain_info().await.unwrap_err()
}

#[tokio::test]
async fn honest_node_is_answered_for() {
    let address = play(|method, params, _| honest(method, params)).await;
    let found = client(address, secret("a:b")).chain_info().await.unwrap();
    assert_eq!((found.tip.height, found.difficulty, found.warnings.len()), (0, 1.5, 0));
}

#[tokio::test]
async fn foreign_chains_are_refused_before_anything_is_asked_of_them() {
    let mainnet = genesis_block(Network::Bitcoin);
    let mut on_main = info(mainnet.block_hash(), 0, 0);
    on_main["chain"] = json!("main");
    let flag_day = json!({ "deployments": { "new": { "type": "flagday" } } });
    let without_kind = json!({ "deployments": { "new": {} } });
    let beside = json!({ "deployments": {}, "new": { "height": 10, "active": false } });
    let cases = [
        ("getblockchaininfo", on_main, "chain `main`"),
        ("getblockhash", json!(mainnet.block_hash()), "genesis block"),
        ("getblockheader", json!("00".repeat(164)), "164 bytes"),
        ("getdeploymentinfo", flag_day, "`new` (flagday)"),
        ("getdeploymentinfo", without_kind, "`new` (no kind)"),
        ("getdeploymentinfo", beside, "`new` (no kind)"),
    ];
    for (method, answer, named) in cases {
        let error = refusal(method, answer).await;
        assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn header_that_is_not_the_tips_is_refused() {
    let other = serialize_hex(&genesis_block(Network::Bitcoin).header);
    let error = refusal("getblockheader", json!(other)).await;
    assert!(matches!(error, NodeError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn another_node_behind_the_same_address_is_identified_anew() {
    let calls = AtomicUsize::new(0);
    let address = play(move |method, params, _| match calls.fetch_add(1, Ordering::SeqCst) {
        // Four questions and one call, then the node goes away; what comes back is on another chain.
        0..5 => honest(method, params),
        5 => Say::HangUp,
        _ => match method {
            "getblockchaininfo" => Say::Result(json!({ "chain": "main", "bestblockhash": "00".repeat(32) })),
            _ => honest(method, params),
        },
    });
    let client = client(address.await, secret("a:b"));
    assert!(client.chain_info().await.is_ok());
    let error = client.chain_info().await.unwrap_err();
    assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
}

/// Gives one secret after the other, and the last one for ever.
#[derive(Debug)]
struct Changing(Mutex<Vec<Secret>>);

impl Credentials for Changing {
    fn current(&self) -> SecretFuture<'_> {
        let mut secrets = self.0.lock().unwrap();
        let next = if secrets.len() > 1 { secrets.remove(0) } else { secrets[0].clone() };
        Box::pin(std::future::ready(Ok(next)))
    }
}

/// Base64 of `new:cookie`, in the lower case that `read_request` makes of it.
const NEW_COOKIE: &str = "basic bmv3omnvb2tpzq==";

#[tokio::test]
async fn refused_credentials_are_asked_for_anew_and_the_call_succeeds() {
    let address = play(|method, params, authorization| match authorization == NEW_COOKIE {
        true => honest(method, params),
        false => Say::Status(401),
    });
    let credentials = Changing(Mutex::new(vec![secret("old:cookie"), secret("new:cookie")]));
    assert!(client(address.await, credentials).chain_info().await.is_ok());
}

#[tokio::test]
async fn credentials_refused_twice_are_an_error_for_the_operator() {
    let address = play(|_, _, _| Say::Status(401)).await;
    let error = client(address, secret("a:b")).chain_info().await.unwrap_err();
    assert!(matches!(error, NodeError::Credentials { .. }) && error.needs_operator(), "{error}");
}

#[tokio::test]
async fn node_that_does_not_listen_is_named_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(address, secret("a:b")).chain_info().await.unwrap_err();
    assert!(matches!(error, NodeError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn node_that_always_hangs_up_is_not_asked_for_ever() {
    let address = play(|_, _, _| Say::HangUp).await;
    let error = client(address, secret("a:b")).chain_info().await.unwrap_err();
    assert!(error.to_string().contains("keeps closing"), "{error}");
}

#[tokio::test]
async fn answers_above_the_limit_are_not_read() {
    let genesis = genesis_block(Network::Regtest).block_hash();
    let cases =
        [("getblockchaininfo", 64 << 10), ("getdeploymentinfo", 64 << 10), ("getblockheader", 1 << 20)];
    for (method, limit) in cases {
        let block = BlockHash::from_byte_array([9; 32]);
        let address = play(move |asked, params, _| match asked == method && params[0] != json!(genesis) {
            true => Say::Body(" ".repeat(limit + 1)),
            false => honest(asked, params),
        });
        let error = client(address.await, secret("a:b")).block_header(block).await.unwrap_err();
        assert!(error.to_string().contains(&format!("longer than {limit} bytes")), "{method}: {error}");
    }
}

#[tokio::test]
async fn block_of_another_hash_is_refused() {
    let address = play(|method, params, _| match method {
        "getblock" => Say::Result(json!(serialize_hex(&genesis_block(Network::Regtest)))),
        _ => honest(method, params),
    });
    let asked = BlockHash::from_byte_array([9; 32]);
    let error = client(address.await, secret("a:b")).block(asked).await.unwrap_err();
    assert!(matches!(error, NodeError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn block_by_height_is_on_the_chain_that_is_active_after_it_was_read() {
    let (left, active) = (genesis_block(Network::Regtest), genesis_block(Network::Signet));
    let (left_hash, active_hash) = (left.block_hash(), active.block_hash());
    let asked = AtomicUsize::new(0);
    let address = play(move |method, params, _| match method {
        // The chain changes between the first question and the second.
        "getblockhash" if params[0] == json!(1) => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Say::Result(json!(left_hash)),
            _ => Say::Result(json!(active_hash)),
        },
        "getblock" if params[0] == json!(left_hash) => Say::Result(json!(serialize_hex(&left))),
        "getblock" => Say::Result(json!(serialize_hex(&active))),
        _ => honest(method, params),
    });
    let bytes = client(address.await, secret("a:b")).block_by_height(1).await.unwrap().unwrap();
    assert_eq!(deserialize::<bitcoin::Block>(&bytes).unwrap().block_hash(), active_hash);
}

/// The status of a follower that begins at height 5, once it is neither starting nor ready.
async fn trouble(address: SocketAddr) -> NodeStatus {
    let from = ChainPoint { hash: BlockHash::from_byte_array([5; 32]), height: 5 };
    let mut following = client(address, secret("a:b")).follow(Some(from));
    let trouble = following.status.wait_for(|status| *status != NodeStatus::Starting).await.unwrap().clone();
    assert!(following.events.try_recv().is_err());
    trouble
}

#[tokio::test]
async fn node_that_is_replaying_its_blocks_is_not_followed_down() {
    let genesis = genesis_block(Network::Regtest).block_hash();
    let address = play(move |method, params, _| match method {
        "getblockchaininfo" => Say::Result(info(genesis, 0, 5)),
        _ => honest(method, params),
    });
    let status = trouble(address.await).await;
    assert!(matches!(status, NodeStatus::Lost { error: NodeError::NotReady { .. } }), "{status:?}");
}

#[tokio::test]
async fn node_whose_blocks_do_not_link_is_malformed_and_not_asked_for_ever() {
    let genesis = genesis_block(Network::Regtest);
    let address = play(move |method, params, _| match (method, &params[0]) {
        ("getblockchaininfo", _) => Say::Result(info(genesis.block_hash(), 6, 6)),
        // Our own block is where it was; the one above it does not build on it.
        ("getblockhash", height) if *height == json!(5) => {
            Say::Result(json!(BlockHash::from_byte_array([5; 32])))
        }
        _ => honest(method, params),
    });
    let status = trouble(address.await).await;
    assert!(matches!(status, NodeStatus::Lost { error: NodeError::Malformed { .. } }), "{status:?}");
}

#[test]
fn secrets_are_one_line_with_a_colon_and_do_not_show() {
    for text in ["", "user", "user:pass\nmore", "user:\0", &format!("u:{}", "x".repeat(1024))] {
        assert!(Secret::new(text).is_err(), "{text:?}");
    }
    let secret = Secret::new("__cookie__:abc\n").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert_eq!(format!("{:?}", secret.header().unwrap()), "Sensitive");
}
