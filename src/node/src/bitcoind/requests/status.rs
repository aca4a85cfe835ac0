//! The node's own state.

use serde_json::json;

use crate::bitcoind::Bitcoind;
use crate::bitcoind::decode::status as decode;
use crate::bitcoind::http::Limit;
use crate::bitcoind::reply::METHOD_NOT_FOUND;
use crate::error::NodeError;
use crate::status::{Deployment, IndexStatus, SyncPhase, SyncStatus};

impl Bitcoind {
    pub(crate) async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        let info = self.chain_info().await?;
        // Nodes before version 26 lack the method, and can have no snapshot.
        let found = self.find("getchainstates", json!([]), METHOD_NOT_FOUND, Limit::Small).await?;
        let unverified_snapshot = found.map(|reply| reply.decode(decode::unverified_snapshot)).transpose()?;
        Ok(SyncStatus {
            phase: match (info.headers > info.tip.height, info.initial_block_download) {
                (true, _) => SyncPhase::Blocks,
                (false, true) => SyncPhase::Headers,
                (false, false) => SyncPhase::Synced,
            },
            blocks: info.tip.height,
            headers: info.headers,
            progress: info.verification_progress.clamp(0.0, 1.0),
            initial_block_download: info.initial_block_download,
            unverified_snapshot: unverified_snapshot.unwrap_or(false),
        })
    }

    pub(crate) async fn deployments(&self) -> Result<Vec<Deployment>, NodeError> {
        self.rpc.ask(&self.lane, "getdeploymentinfo", json!([])).await?.decode(decode::deployments)
    }

    pub(crate) async fn indexes(&self) -> Result<Vec<IndexStatus>, NodeError> {
        self.rpc.ask(&self.lane, "getindexinfo", json!([])).await?.decode(decode::indexes)
    }
}
