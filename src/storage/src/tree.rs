//! The words of the interface: trees, operations, pages. Plain data; never touches the database.

use crate::error::StorageError;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_KEY_BYTES, MAX_TREE_NAME, MAX_VALUE_BYTES};

/// A tree of one store. Stays the same for the life of the store, across restarts too. Holding one proves nothing: a
/// module can make one up, so each call looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u32);

/// One step of a transaction. Each step sees what the steps before it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Set the value of a key.
    Insert {
        /// The key, at most [`MAX_KEY_BYTES`].
        key: Vec<u8>,
        /// The value, at most [`MAX_VALUE_BYTES`].
        value: Vec<u8>,
    },
    /// Remove a key; nothing happens if it is not there.
    Remove {
        /// The key.
        key: Vec<u8>,
    },
    /// Go on only if the key has this value; otherwise the transaction changes nothing and is a
    /// [`StorageError::Conflict`].
    Expect {
        /// The key.
        key: Vec<u8>,
        /// The value it must have; `None`: it must not be there.
        value: Option<Vec<u8>>,
    },
}

/// Some of the entries of a tree, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys and values.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether more entries follow: ask again, with `after` set to the last key of this page.
    pub more: bool,
}

impl Operation {
    /// The key and the value, if the operation has one.
    pub(crate) fn parts(&self) -> (&[u8], Option<&[u8]>) {
        match self {
            Self::Insert { key, value } => (key, Some(value)),
            Self::Remove { key } => (key, None),
            Self::Expect { key, value } => (key, value.as_deref()),
        }
    }
}

pub(crate) fn check_key(key: &[u8]) -> Result<(), StorageError> {
    if key.len() > MAX_KEY_BYTES { Err(StorageError::key(key.len())) } else { Ok(()) }
}

pub(crate) fn check_batch(operations: &[Operation]) -> Result<(), StorageError> {
    if operations.len() > MAX_BATCH_OPERATIONS {
        return Err(StorageError::operations(operations.len()));
    }
    let mut bytes = 0;
    for operation in operations {
        let (key, value) = operation.parts();
        check_key(key)?;
        let value = value.unwrap_or_default();
        if value.len() > MAX_VALUE_BYTES {
            return Err(StorageError::value(value.len()));
        }
        bytes += key.len() + value.len();
    }
    if bytes > MAX_BATCH_BYTES { Err(StorageError::batch(bytes)) } else { Ok(()) }
}

pub(crate) fn check_name(name: &str) -> Result<(), StorageError> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let found = if name.is_empty() {
        "none".to_owned()
    } else if let Some(character) = name.chars().find(|character| !allowed(*character)) {
        format!("{character:?}")
    } else if name.len() > MAX_TREE_NAME {
        format!("{}", name.len())
    } else {
        return Ok(());
    };
    Err(StorageError::TreeName { found })
}
