//! The module as a program, against a host that plays a chain with a reorganisation.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a module that cannot be started is a failed test"
)]

#[path = "../../../src/sdk/tests/fake_host/mod.rs"]
mod fake_host;

use std::path::Path;
use std::process::{Child, Command};

use cofferdam_manifest::{Capability, Manifest};
use cofferdam_protocol::{
    BlockHash, EventMessage, EventPayload, LogLevel, ModuleMessage, RawBlock, RawHeader, RequestPayload,
    ResponsePayload, Subscribed,
};
use cofferdam_sdk::bitcoin::{Block, Network, constants::genesis_block};
use cofferdam_sdk::calls::GetBlockByHeight;
use cofferdam_sdk::testing::TestHost;
use cofferdam_sdk::{ApiError, EventType};
use fake_host::{FakeHost, LIMITS, Session};

fn start(host: &FakeHost, data_dir: &Path, keep: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_block-watch"));
    command.args(["--module-id", "block-watch", "--socket-path"]).arg(host.path());
    command.arg("--data-dir").arg(data_dir).env("MODULE_CONFIG_KEEP", keep);
    command.spawn().expect("the module starts")
}

/// Takes the next line the module logs.
async fn logged(session: &mut Session) -> (LogLevel, String) {
    let request = session.next_request().await;
    session.answer(request.correlation_id, Ok(ResponsePayload::Log(()))).await;
    let RequestPayload::Log { level, message } = request.payload else {
        unreachable!("a line for the log was expected, not {request:?}")
    };
    (level, message)
}

async fn subscribed(session: &mut Session) {
    let request = session.next_request().await;
    let subscribed = Subscribed { cursor: 0, events: Default::default() };
    session.answer(request.correlation_id, Ok(ResponsePayload::SubscribeEvents(subscribed))).await;
}

async fn event(session: &mut Session, payload: EventPayload) {
    session.send(ModuleMessage::Event(EventMessage::new(1, payload))).await;
}

/// Announces a block, and answers the question for it with these bytes.
async fn new_block(session: &mut Session, hash: BlockHash, block: Option<RawBlock>) {
    event(session, EventPayload::NewBlock { hash, height: 7, header: RawHeader::new(vec![0; 80]) }).await;
    let request = session.next_request().await;
    assert_eq!(request.payload, RequestPayload::GetBlock { hash });
    session.answer(request.correlation_id, Ok(ResponsePayload::GetBlock(block))).await;
}

#[tokio::test]
async fn a_block_gets_a_summary_that_is_marked_when_the_block_is_disconnected() {
    let (host, data) = (FakeHost::new(), tempfile::tempdir().unwrap());
    let mut module = start(&host, data.path(), "10");
    let mut session = host.accept().await;
    session.welcome(LIMITS).await;
    subscribed(&mut session).await;

    let block = genesis_block(Network::Regtest);
    let hash = BlockHash::from(block.block_hash());
    new_block(&mut session, hash, Some(RawBlock::encode(&block))).await;
    let line = format!("block 7 {hash}: 1 transactions, 5000000000 sats, 285 bytes");
    assert_eq!(logged(&mut session).await, (LogLevel::Info, line));
    let summary = std::fs::read_to_string(data.path().join(format!("7-{hash}.txt"))).unwrap();
    assert!(summary.contains("output_sats: 5000000000\n"), "{summary}");

    event(&mut session, EventPayload::BlockDisconnected { hash, height: 7 }).await;
    assert!(logged(&mut session).await.1.ends_with("disconnected, its summary is marked"));
    assert!(data.path().join(format!("7-{hash}.disconnected.txt")).exists());

    event(&mut session, EventPayload::NodeShutdown { grace_ms: 1000 }).await;
    assert_eq!(session.next().await, None);
    assert!(module.wait().unwrap().success());
}

#[tokio::test]
async fn what_goes_wrong_is_logged_and_the_module_goes_on() {
    let (host, data) = (FakeHost::new(), tempfile::tempdir().unwrap());
    let gone = data.path().join("gone");
    let mut module = start(&host, &gone, "lots");
    let mut session = host.accept().await;
    session.welcome(LIMITS).await;
    assert!(logged(&mut session).await.1.contains("configuration key keep: `lots`"));
    assert!(logged(&mut session).await.1.starts_with("list "));
    subscribed(&mut session).await;

    let block = genesis_block(Network::Regtest);
    let hash = BlockHash::from(block.block_hash());
    new_block(&mut session, hash, None).await;
    assert!(logged(&mut session).await.1.contains("does not have it any more"));
    new_block(&mut session, hash, Some(RawBlock::new(vec![1, 2, 3]))).await;
    assert!(logged(&mut session).await.1.contains("does not decode"));
    new_block(&mut session, BlockHash::from_bytes([9; 32]), Some(RawBlock::encode(&block))).await;
    assert!(logged(&mut session).await.1.contains("the node sent block"));
    new_block(&mut session, hash, Some(RawBlock::encode(&block))).await;
    let (level, line) = logged(&mut session).await;
    assert_eq!(level, LogLevel::Error);
    assert!(line.contains("write "), "{line}");

    drop(session);
    assert!(module.wait().unwrap().success());
}

#[test]
fn its_manifest_is_valid_and_asks_for_no_more_than_it_needs() {
    let manifest = Manifest::parse("module.toml", include_str!("../module.toml")).unwrap();
    let capabilities: Vec<Capability> = manifest.capabilities().iter().collect();
    let needed = [Capability::ReadBlockchain, Capability::SubscribeEvents, Capability::WriteFilesystem];
    assert_eq!(capabilities, needed);
    assert_eq!(manifest.entry_point().as_str(), "block-watch");
    assert_eq!(manifest.version().to_string(), env!("CARGO_PKG_VERSION"));
}

fn summaries(host: &TestHost) -> Vec<String> {
    let files = std::fs::read_dir(host.data_dir()).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn watching(host: &TestHost, keep: &str) -> Child {
    let mut program = host.command(env!("CARGO_BIN_EXE_block-watch"));
    program.env("MODULE_CONFIG_KEEP", keep).spawn().expect("the module starts")
}

/// The files of these blocks, the first of which has the height 1.
fn names(blocks: &[Block], mark: &str) -> Vec<String> {
    let name = |(place, block): (usize, &Block)| format!("{}-{}{mark}.txt", place + 1, block.block_hash());
    blocks.iter().enumerate().map(name).collect()
}

/// A host on whose chain three blocks came, of which the module has summaries.
async fn three_blocks_seen() -> (TestHost, Vec<Block>) {
    let host = TestHost::from_manifest("module.toml");
    let module = watching(&host, "10");
    host.subscribed(EventType::NewBlock).await;
    let blocks = vec![host.mine([]), host.mine([]), host.mine([])];
    host.logged(&blocks[2].block_hash().to_string()).await;
    assert!(host.end(module).await.success());
    assert_eq!(summaries(&host), names(&blocks, ""));
    (host, blocks)
}

#[tokio::test]
async fn blocks_whose_events_were_lost_are_fetched_and_those_that_left_the_chain_are_marked() {
    let (host, seen) = three_blocks_seen().await;
    let (came, last) = (host.reorganise(2), host.mine([]));
    let module = watching(&host, "10");
    host.subscribed(EventType::NewBlock).await;
    assert_eq!(summaries(&host), names(&seen, ""), "the control: it does not know");

    host.publish(EventPayload::EventsDropped { from: 1, to: 9, count: 0 });
    host.logged("4 blocks above 1 were fetched").await;
    let chain: Vec<Block> = seen[..1].iter().chain(&came).chain([&last]).cloned().collect();
    let mut expected = names(&chain, "");
    expected.extend(names(&seen, ".disconnected").split_off(1));
    expected.sort();
    assert_eq!(summaries(&host), expected);

    let next = host.mine([]);
    host.logged(&format!("block 6 {}: 1 transactions", next.block_hash())).await;
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn no_more_blocks_are_fetched_at_once_than_are_kept() {
    let (host, _) = three_blocks_seen().await;
    (0..5).for_each(|_| drop(host.mine([])));
    let module = watching(&host, "3");
    host.subscribed(EventType::NewBlock).await;
    host.publish(EventPayload::EventsDropped { from: 1, to: 9, count: 0 });
    host.logged("blocks above 6 may be missing").await;
    assert_eq!(summaries(&host).len(), 3);
    assert!(host.end(module).await.success());
}

#[tokio::test]
async fn without_any_summary_or_answer_it_says_that_it_cannot_know_and_goes_on() {
    let host = TestHost::from_manifest("module.toml");
    let module = watching(&host, "3");
    host.subscribed(EventType::NewBlock).await;
    host.publish(EventPayload::EventsDropped { from: 1, to: 9, count: 0 });
    host.logged("which blocks were missed is not known").await;
    host.mine([]);
    host.logged("block 1 ").await;
    host.answer::<GetBlockByHeight>(|_| Err(ApiError::NotReady { reason: "starting".to_owned() }));
    host.publish(EventPayload::EventsDropped { from: 1, to: 9, count: 0 });
    assert_eq!(host.logged("starting").await.level, LogLevel::Error);
    assert!(host.end(module).await.success());
}
