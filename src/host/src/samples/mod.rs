//! What the core finds out by looking: at intervals or once per block, and only while some module is subscribed to
//! what it looks for. What comes and goes between two looks is missed, and subscribers are told so.
//!
//! A node that does not answer is looked at again later; its own status has a log line already.

mod broadcasts;
mod disk;
mod fees;
mod files;
mod health;
mod mempool;
mod mining;
mod peers;
mod roster;
mod rules;
mod sync;
mod usage;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_node::{ChainPoint, Node, NodeStatus};
use cofferdam_protocol::EventType;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

pub(crate) use self::broadcasts::Broadcasts;
pub(crate) use self::roster::announce_roster;
pub(crate) use self::usage::warnings;
use crate::api::Addresses;
use crate::events::{Hub, Interest};
use crate::files::DataDirectories;
use crate::modules::Modules;
use crate::quotas::Quotas;

/// How often each thing is looked at.
pub(crate) mod every {
    use std::time::Duration;

    pub(crate) const PEERS: Duration = Duration::from_secs(3);
    pub(crate) const BANS: Duration = Duration::from_secs(5);
    pub(crate) const FEES: Duration = Duration::from_secs(30);
    pub(crate) const SYNC: Duration = Duration::from_secs(5);
    pub(crate) const TEMPLATE: Duration = Duration::from_secs(30);
    pub(crate) const BROADCASTS: Duration = Duration::from_secs(10);
    pub(crate) const DISK: Duration = Duration::from_secs(60);
    pub(crate) const HEALTH: Duration = Duration::from_secs(60);
    pub(crate) const FILES: Duration = Duration::from_secs(60);
    /// What the supervisor asks the launcher for.
    pub(crate) const USAGE: Duration = Duration::from_secs(60);
    /// How often the launcher is told what the watched module asks for, if there is one.
    pub(crate) const WATCHED: Duration = Duration::from_secs(1);
}

/// What is looked at, and where it is told.
#[derive(Debug)]
pub(crate) struct Samplers {
    pub(crate) node: Node,
    pub(crate) hub: Arc<Hub>,
    /// Changes with each block.
    pub(crate) tip: watch::Receiver<Option<ChainPoint>>,
    /// How the node is doing.
    pub(crate) status: watch::Receiver<NodeStatus>,
    pub(crate) modules: Arc<Modules>,
    pub(crate) state_dir: PathBuf,
    pub(crate) addresses: Addresses,
    pub(crate) broadcasts: Arc<Broadcasts>,
    pub(crate) files: Arc<DataDirectories>,
    pub(crate) quotas: Arc<Quotas>,
}

impl Samplers {
    /// Looks at whatever somebody wants to hear of, for ever.
    pub(crate) async fn run(self) {
        use EventType as T;
        let Self { node, hub, tip, status, modules, state_dir, addresses, broadcasts, files, quotas } = self;
        let (node, hub, tip) = (&node.for_caller(), &*hub, &tip);
        let wanted = |types: &'static [EventType]| Wanted { interest: hub.interest(), types };
        tokio::join!(
            wanted(mempool::TYPES).run(|| mempool::follow(node, hub)),
            wanted(&[T::PeerConnected, T::PeerDisconnected]).run(|| peers::look(node, hub, addresses)),
            wanted(&[T::PeerBanned, T::PeerUnbanned]).run(|| peers::look_at_bans(node, hub, addresses)),
            wanted(&[T::FeeRateChanged]).run(|| fees::look(node, hub, tip.clone())),
            wanted(&[T::SoftForkActivated, T::SoftForkLockedIn]).run(|| rules::look(node, hub, tip.clone())),
            wanted(sync::TYPES).run(|| sync::look(node, hub)),
            wanted(&[T::BlockTemplateUpdated]).run(|| mining::look(node, hub, tip.clone())),
            wanted(&[T::BroadcastCompleted]).run(|| broadcasts::look(node, hub, &broadcasts)),
            wanted(&[T::DiskSpaceLow]).run(|| disk::look(hub, &state_dir)),
            wanted(&[T::HealthCheck]).run(|| health::look(hub, &status, &modules)),
            // The metrics tell of it too, whoever is subscribed.
            files::look(hub, &files, &quotas),
        );
    }
}

/// Types and whether somebody wants one of them.
struct Wanted {
    interest: watch::Receiver<Interest>,
    types: &'static [EventType],
}

impl Wanted {
    /// Runs what `look` gives while somebody wants one of the types; begins anew when somebody does again. Ends
    /// with the hub.
    async fn run<F: Future<Output = ()>>(mut self, mut look: impl FnMut() -> F) {
        let types = self.types;
        while self.interest.wait_for(|interest| interest.any_of(types)).await.is_ok() {
            tokio::select! {
                () = look() => {}
                nobody = self.interest.wait_for(|interest| !interest.any_of(types)) => {
                    if nobody.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Ticks at once and then with this pause, which is kept after a look that took long.
fn ticks(pause: Duration) -> Interval {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next tick or the next block. Ends with the node's feed: then nothing changes any more.
async fn tick_or_block(ticks: &mut Interval, tip: &mut watch::Receiver<Option<ChainPoint>>) {
    tokio::select! {
        _ = ticks.tick() => {}
        changed = tip.changed() => if changed.is_err() { std::future::pending().await },
    }
}

#[cfg(test)]
mod tests;
