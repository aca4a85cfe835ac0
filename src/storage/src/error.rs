//! What can go wrong, in sentences that say what to do. Never carries a module's keys or values.

use std::io;
use std::path::PathBuf;

use crate::limits::{
    Limit, MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_KEY_BYTES, MAX_TREE_NAME, MAX_VALUE_BYTES,
};

/// Why a store could not be opened, or why a call on it was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The request is longer than the limit that it names.
    #[error("the {what} is {actual} long; the longest allowed is {limit}")]
    TooLong {
        /// What is too long, with its unit.
        what: &'static str,
        /// How long it is.
        actual: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A tree's name has a character that names may not have, or none at all.
    #[error(
        "a tree's name is 1 to {MAX_TREE_NAME} of the characters A-Z a-z 0-9 . _ -; this one has {found}"
    )]
    TreeName {
        /// What is wrong with the name.
        found: String,
    },
    /// No tree has this id.
    #[error("no tree has the id {0}; open_tree gives the id of a tree")]
    UnknownTree(u32),
    /// The write would break the quota; nothing was changed.
    #[error("quota of {limit} exceeded: {wanted} after this write, {allowed} allowed; nothing was changed")]
    QuotaExceeded {
        /// Which limit.
        limit: Limit,
        /// What the store would hold after the write.
        wanted: u64,
        /// What it may hold.
        allowed: u64,
    },
    /// An expectation of the transaction does not hold; nothing was changed.
    #[error("operation {operation} of the transaction expected another value; nothing was changed")]
    Conflict {
        /// The index of the operation in the transaction.
        operation: usize,
    },
    /// Somebody has the store open.
    #[error(
        "{dir}: this store is open already, in this process or in another; close it there first (a core that is running?)"
    )]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The files do not hold what was written to them.
    #[error(
        "{dir}: the database is corrupt ({reason}); restore the directory from a backup, or move it away: the module then \
         begins with an empty store"
    )]
    Corrupt {
        /// The store's directory.
        dir: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The disk is full. What was acknowledged is safe; what was not may be lost or kept.
    #[error(
        "{dir}: the disk is full; free some space and open the store again: nothing that was acknowledged is lost"
    )]
    DiskFull {
        /// The store's directory.
        dir: PathBuf,
    },
    /// Reading or writing the files failed.
    #[error("{path}: {action}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A failure closed the store; what was acknowledged is safe on disk.
    #[error("{dir}: the store failed ({reason}) and is closed; open it again when the cause is gone")]
    Closed {
        /// The store's directory.
        dir: PathBuf,
        /// The failure.
        reason: String,
    },
    /// The disk, or the database, does not answer. A write that got this error may or may not happen.
    #[error("{dir}: the store has not answered for {seconds} s (is the disk stuck?)")]
    Stalled {
        /// The store's directory.
        dir: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl StorageError {
    pub(crate) fn key(actual: usize) -> Self {
        Self::TooLong { what: "key, in bytes,", actual, limit: MAX_KEY_BYTES }
    }

    pub(crate) fn value(actual: usize) -> Self {
        Self::TooLong { what: "value, in bytes,", actual, limit: MAX_VALUE_BYTES }
    }

    pub(crate) fn operations(actual: usize) -> Self {
        Self::TooLong { what: "transaction, in operations,", actual, limit: MAX_BATCH_OPERATIONS }
    }

    pub(crate) fn batch(actual: usize) -> Self {
        Self::TooLong { what: "transaction, in bytes,", actual, limit: MAX_BATCH_BYTES }
    }
}
