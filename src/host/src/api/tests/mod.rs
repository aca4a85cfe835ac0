#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

mod files;
pub(crate) mod node;
mod storage;

use std::path::PathBuf;

use cofferdam_control::{CoreLimits, CoreSettings, NodeSettings, RosterEntry};
use cofferdam_manifest::Capability;
use cofferdam_protocol::{ApiError, Call};
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
        let settings = CoreSettings { interface: None, lightning: None, redact_peers: true };
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

/// The argument that an error is about.
fn argument<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    match result {
        Err(ApiError::InvalidArgument { argument, .. }) => argument,
        other => panic!("{other:?}"),
    }
}
