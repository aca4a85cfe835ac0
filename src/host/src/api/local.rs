//! What handlers have besides the node and the events: what modules keep on the disk, and what the operator's
//! configuration says about answers.

use std::path::Path;
use std::sync::Arc;

use cofferdam_control::{CoreSettings, NodeSettings, RosterEntry};

use super::{Addresses, Host};
use crate::events::{ChainFeed, Origins};
use crate::files::DataDirectories;
use crate::quotas::Quotas;
use crate::samples::{Broadcasts, Samplers};
use crate::storage::Stores;
use crate::storage::disk::Disk;
use crate::watch::Watch;

/// The parts of the core that its place on the disk and its settings decide.
#[derive(Debug)]
pub(crate) struct Local {
    pub(super) stores: Stores,
    pub(super) files: Arc<DataDirectories>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) addresses: Addresses,
    pub(super) origins: Origins,
    pub(super) broadcasts: Arc<Broadcasts>,
    pub(super) watch: Watch,
}

impl Local {
    /// What follows from the roster. Nothing on the disk is touched yet.
    pub(crate) fn new(
        state_dir: &Path,
        roster: &[RosterEntry],
        settings: &CoreSettings,
        node: &NodeSettings,
    ) -> Self {
        let disk = Disk::new();
        Self {
            stores: Stores::new(state_dir, roster, &disk),
            files: Arc::new(DataDirectories::new(roster, &disk)),
            quotas: Arc::default(),
            addresses: Addresses::new(settings),
            origins: Origins::from(node),
            broadcasts: Arc::default(),
            watch: Watch::new(settings.watched.clone()),
        }
    }

    /// Nothing on the disk, and the development chain.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let settings = CoreSettings { interface: None, lightning: None, redact_peers: true, watched: None };
        let node = NodeSettings::Embedded { block_interval_ms: 0 };
        Self::new(Path::new("/nowhere"), &[], &settings, &node)
    }
}

impl Host {
    /// What looks for events as long as somebody wants them, beside `feed`.
    pub(crate) fn samplers(&self, feed: &ChainFeed, state_dir: &Path) -> Samplers {
        Samplers {
            node: self.node.clone(),
            hub: Arc::clone(&self.shared.hub),
            tip: feed.tip(),
            status: feed.status(),
            modules: Arc::clone(self.modules()),
            state_dir: state_dir.to_owned(),
            addresses: self.local().addresses,
            broadcasts: Arc::clone(&self.local().broadcasts),
            files: Arc::clone(&self.local().files),
            quotas: Arc::clone(&self.local().quotas),
        }
    }
}
