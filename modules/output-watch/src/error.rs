//! What ends the module. Everything else is logged or answered.

use cofferdam_sdk::{RawDecodeError, SdkError};

/// Why the index cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    /// The host or the connection to it.
    #[error(transparent)]
    Host(#[from] SdkError),
    /// The node's blocks.
    #[error("a block of the node cannot be read: {0}")]
    Block(#[from] RawDecodeError),
    /// A setting. There is no default for whose money is watched.
    #[error("configuration key {key}: {problem}")]
    Setting { key: &'static str, problem: String },
    /// The index.
    #[error(
        "the entry {key} of the index cannot be read: {problem}; have the operator delete this module's database"
    )]
    Index { key: String, problem: String },
    /// There are more outputs than are kept.
    #[error("more than {max} outputs pay to what is watched; watch less, or begin with a later start_height")]
    Full { max: usize },
}
