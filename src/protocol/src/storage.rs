//! What calls about a module's own database carry.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4096;
/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The most operations of a transaction.
pub const MAX_OPERATIONS: usize = 4096;
/// The most bytes of keys and values in a transaction.
pub const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
/// The most entries of a page.
pub const MAX_PAGE_ENTRIES: usize = 4096;

/// The operations of a transaction, in their order.
pub type StorageOperations = BoundedVec<StorageOperation, MAX_OPERATIONS>;

tagged_enum! {
    /// One step of a transaction.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum StorageOperation {
        /// Puts a value under a key.
        1 => Insert {
            /// The key.
            key: Bytes,
            /// The value.
            value: Bytes,
        },
        /// Removes a key, if it is there.
        2 => Remove {
            /// The key.
            key: Bytes,
        },
        /// Goes on only if the key has this value before the transaction (nothing: if it is not there); else the
        /// whole transaction is refused with the error Conflict.
        3 => Expect {
            /// The key.
            key: Bytes,
            /// What must be there.
            value: Option<Bytes>,
        },
    }
}

/// Entries of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoragePage {
    /// Keys and values, in the order of the keys' bytes.
    pub entries: BoundedVec<StorageEntry, MAX_PAGE_ENTRIES>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageEntry {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// What a module's database takes of its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageUsage {
    /// Bytes of keys and values.
    pub bytes: u64,
    /// The most bytes it may have.
    pub max_bytes: u64,
    /// Keys in all trees.
    pub keys: u64,
    /// The most keys it may have.
    pub max_keys: u64,
    /// Trees.
    pub trees: u64,
    /// The most trees it may have.
    pub max_trees: u64,
}
