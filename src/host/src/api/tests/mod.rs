#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

mod files;
pub(crate) mod node;
mod storage;

use std::path::PathBuf;

use cofferdam_control::{CoreLimits, CoreSettings, NodeSettings, RosterEntry};
use cofferdam_manifest::Capability;
use cofferdam_protocol::calls::SubscribeEvents;
use cofferdam_protocol::{ApiError, BoundedVec, Call, EventPayload, EventType, ModuleMessage};
use tempfile::TempDir;

use super::*;
use crate::session::tests::peer::{Peer, Stage, limits, module};

/// A host with a place on the disk, and modules `wallet` and `other`.
struct Place {
    stage: Stage,
    state: PathBuf,
}

impl Place {
    /// Below `state`, with these limits for each module. `wallet` has a data directory, `other` has none.
    async fn new(state: &TempDir, limits: CoreLimits) -> Self {
        let mut stage = Stage::new().await;
        let files = state.path().join("files of wallet");
        std::fs::create_dir_all(&files).unwrap();
        let entry = |name: &str, files| RosterEntry {
            name: name.parse().unwrap(),
            version: "1.0.0".to_owned(),
            granted: Capability::ALL.to_vec(),
            requires: Vec::new(),
            publishes: Vec::new(),
            files,
            limits,
        };
        let roster = [entry("wallet", Some(files)), entry("other", None)];
        let settings = CoreSettings { interface: None, lightning: None, redact_peers: true, watched: None };
        let node = NodeSettings::Embedded { block_interval_ms: 0 };
        let local = Local::new(state.path(), &roster, &settings, &node);
        let backend = Node::Embedded(stage.node.clone());
        stage.host = Arc::new(Host::with_local(backend, Hub::new(0), local));
        Self { stage, state: state.path().to_owned() }
    }

    async fn open(&self, name: &str) -> Peer {
        self.stage.open_module(module(name, Capability::ALL)).await
    }
}

/// Calls and waits for the answer.
async fn ask<C: Call>(peer: &mut Peer, call: C) -> Result<C::Reply, ApiError> {
    peer.call(1, call).await;
    let (_, result) = peer.response().await;
    result.map(|response| C::reply(response).unwrap())
}

/// The same of a module that hears events meanwhile, which are put to `heard`.
async fn ask_and_hear<C: Call>(peer: &mut Peer, call: C, heard: &mut Vec<EventPayload>) -> C::Reply {
    peer.call(1, call).await;
    loop {
        match peer.next().await.unwrap() {
            ModuleMessage::Event(event) => heard.push(event.payload),
            ModuleMessage::Response(response) => return C::reply(response.result.unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// What warnings of limits a module hears while `work` is done, of which resource and how much is used.
async fn warnings<F: AsyncFnOnce(&mut Peer, &mut Vec<EventPayload>)>(
    place: &Place,
    work: F,
) -> Vec<(String, u64, u64)> {
    let mut wallet = place.open("wallet").await;
    let event_types = BoundedVec::truncated([EventType::ResourceLimitWarning, EventType::HealthCheck]);
    let mut heard = Vec::new();
    ask_and_hear(&mut wallet, SubscribeEvents { event_types, resume_after: None }, &mut heard).await;
    work(&mut wallet, &mut heard).await;
    let last = EventPayload::HealthCheck { node_ready: true, modules_running: 1, modules_failed: 0 };
    place.stage.host.hub().publish(last.clone()).unwrap();
    while heard.last() != Some(&last) {
        heard.push(wallet.event().await.payload);
    }
    let warning = |event| match event {
        EventPayload::ResourceLimitWarning { module, resource, used, limit } => {
            assert_eq!(module, "wallet");
            Some((resource, used, limit))
        }
        _ => None,
    };
    heard.into_iter().filter_map(warning).collect()
}

/// The argument that an error is about.
fn argument<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    match result {
        Err(ApiError::InvalidArgument { argument, .. }) => argument,
        other => panic!("{other:?}"),
    }
}
