//! Chooses the node that the launcher's settings name, and gives it what it needs from outside the sandbox.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_control::NodeSettings;

use crate::control_link::Launcher;
use cofferdam_node::bitcoind::SecretFuture;
use cofferdam_node::embedded::Payout;
use cofferdam_node::{
    Bitcoind, BitcoindSettings, Chain, Credentials, Embedded, EmbeddedSettings, Node, NodeError, Secret,
};

/// The directory of the embedded chain, below the state directory.
const CHAIN_DIRECTORY: &str = "chain";

/// Opens the node. A node that does not answer yet is no error: its calls will say so.
///
/// # Errors
/// [`NodeError`] if the embedded chain cannot be opened or the settings make no sense.
pub(crate) async fn open(
    settings: NodeSettings,
    state_dir: &Path,
    launcher: Launcher,
) -> Result<Node, NodeError> {
    match settings {
        NodeSettings::Embedded { block_interval_ms } => {
            let settings = EmbeddedSettings {
                dir: state_dir.join(CHAIN_DIRECTORY),
                block_interval: (block_interval_ms > 0).then(|| Duration::from_millis(block_interval_ms)),
                payout: Payout::default(),
            };
            Embedded::open(settings).await.map(Node::Embedded)
        }
        NodeSettings::Bitcoind { rpc, zmq, chain, poll_interval_ms } => {
            let unsupported = |reason| NodeError::Unsupported { backend: "bitcoind", reason };
            let chain = chain.parse::<Chain>().map_err(|error| unsupported(error.to_string()))?;
            // A poll without a pause would keep the node from its work.
            let poll_interval = Duration::from_millis(poll_interval_ms.max(1));
            let settings = BitcoindSettings { rpc, zmq, chain, poll_interval };
            let credentials = Arc::new(FromLauncher(launcher));
            Ok(Node::Bitcoind(Bitcoind::new(settings, credentials)))
        }
    }
}

/// Credentials that the launcher reads anew each time: they change whenever the node starts.
#[derive(Debug)]
struct FromLauncher(Launcher);

impl Credentials for FromLauncher {
    fn current(&self) -> SecretFuture<'_> {
        Box::pin(async {
            let credentials =
                self.0.credentials().await.map_err(|reason| NodeError::Credentials { reason })?;
            Secret::new(&format!("{}:{}", credentials.user, credentials.password))
        })
    }
}
