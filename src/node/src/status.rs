//! How far a node has come, under which rules, and what it keeps an index of.

/// What a node is doing to catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncPhase {
    /// It is looking for the best chain: no header is known above its blocks, and it does not believe to be at
    /// the top.
    Headers,
    /// It knows headers whose blocks it lacks.
    Blocks,
    /// It stands on the best header it knows.
    Synced,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyncStatus {
    /// What it is doing.
    pub phase: SyncPhase,
    /// The height of its tip.
    pub blocks: u32,
    /// The height of the best header it knows.
    pub headers: u32,
    /// Its guess of how much is verified, 0 to 1.
    pub progress: f64,
    /// Whether it is still fetching the chain for the first time.
    pub initial_block_download: bool,
    /// Whether it started from a snapshot of the outputs and has not yet verified what lies below.
    pub unverified_snapshot: bool,
}

/// How far a change of the rules has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeploymentStatus {
    /// Known to the node, not begun.
    Defined,
    /// Miners can signal for it.
    Started,
    /// Enough have; it becomes active at the next period, or at its height.
    LockedIn,
    /// In force for the next block.
    Active,
    /// It was not locked in before its time ran out.
    Failed,
    /// In a state that this version does not know, and not in force.
    Unknown,
}

/// A change of the consensus rules that the node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The node's name for it.
    pub name: String,
    /// How far it has come at the tip.
    pub status: DeploymentStatus,
    /// The height of the first block under the new rules, where it is known.
    pub height: Option<u32>,
}

/// An index that the node keeps beside its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexStatus {
    /// The node's name for it, such as `txindex`.
    pub name: String,
    /// Whether it has caught up with the chain.
    pub synced: bool,
    /// The height it has reached.
    pub best_height: u32,
}
