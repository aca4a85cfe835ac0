//! The module as a program, against a host that plays a few events.

#![allow(clippy::expect_used, reason = "a module that cannot be started is a failed test")]

#[path = "../../../src/sdk/tests/fake_host/mod.rs"]
mod fake_host;

use std::process::{Child, Command};

use cofferdam_manifest::Manifest;
use cofferdam_protocol::{
    BlockHash, EventMessage, EventPayload, ModuleMessage, RawHeader, RequestPayload, ResponsePayload,
    Subscribed,
};
use fake_host::{FakeHost, LIMITS};

fn start(host: &FakeHost) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tip-log"));
    command.args(["--module-id", "tip-log", "--data-dir", "/nonexistent", "--socket-path"]).arg(host.path());
    command.spawn().expect("the module starts")
}

fn event(cursor: u64, payload: EventPayload) -> ModuleMessage {
    ModuleMessage::Event(EventMessage::new(cursor, payload))
}

#[tokio::test]
async fn every_new_block_is_logged_and_the_module_ends_when_the_node_shuts_down() {
    let host = FakeHost::new();
    let mut module = start(&host);
    let mut session = host.accept().await;
    session.welcome(LIMITS).await;
    let request = session.next_request().await;
    let subscribed = Subscribed { cursor: 0, events: Default::default() };
    session.answer(request.correlation_id, Ok(ResponsePayload::SubscribeEvents(subscribed))).await;

    let (hash, header) = (BlockHash::from_bytes([7; 32]), RawHeader::new(vec![0; 80]));
    session.send(event(1, EventPayload::NewBlock { hash, height: 12, header })).await;
    let request = session.next_request().await;
    let RequestPayload::Log { message, .. } = request.payload else { panic!("{request:?}") };
    assert_eq!(message, format!("block 12 {hash}"));
    session.answer(request.correlation_id, Ok(ResponsePayload::Log(()))).await;

    session.send(event(2, EventPayload::NodeShutdown { grace_ms: 1000 })).await;
    assert_eq!(session.next().await, None);
    assert!(module.wait().unwrap().success());
}

#[test]
fn its_manifest_is_valid_and_names_this_program_and_its_version() {
    let text = include_str!("../module.toml");
    let manifest = Manifest::parse("module.toml", text).unwrap();
    assert_eq!(manifest.entry_point().as_str(), "tip-log");
    assert_eq!(manifest.version().to_string(), env!("CARGO_PKG_VERSION"));
}
