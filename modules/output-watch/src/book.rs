//! The index on disk: one tree of the module's database. Nothing is decided here.
//!
//! | key | value |
//! |---|---|
//! | `t` | the last block that is in the index, as JSON |
//! | `s` and a script | nothing: the script is watched |
//! | `o`, a txid's 32 bytes and an index's 4, big-endian | the output, as JSON |
//!
//! A block's changes are one transaction together with `t`, unless they are too many for one. Then the tip is written
//! so that what a crash leaves behind has heights above it: whoever loads the index undoes that.

use cofferdam_sdk::bitcoin::ScriptBuf;
use cofferdam_sdk::storage::{MAX_OPERATIONS, StorageOperation};
use cofferdam_sdk::{BoundedVec, Bytes, NodeApi, OutPoint, SdkError, Txid};

use crate::error::WatchError;
use crate::index::{Changes, Output, Tip};

const TREE: &str = "index";
const TIP: Bytes = Bytes::from_static(b"t");
const SCRIPT: &[u8] = b"s";
const OUTPUT: &[u8] = b"o";

/// The most bytes of a batch. An output takes less than 2 KiB, so that this is far below what a transaction may have.
const MAX_BATCH: usize = MAX_OPERATIONS / 4;

/// In which direction the tip moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// A block was connected: the tip is written last.
    Up,
    /// Blocks were undone: the tip is written first.
    Down,
}

/// The tree.
#[derive(Debug)]
pub(crate) struct Book {
    node: NodeApi,
    tree: u32,
}

impl Book {
    pub(crate) async fn open(node: NodeApi) -> Result<Self, SdkError> {
        let tree = node.storage_open_tree(TREE.to_owned()).await?;
        Ok(Self { node, tree })
    }

    pub(crate) async fn tip(&self) -> Result<Option<Tip>, WatchError> {
        let value = self.node.storage_get(self.tree, TIP).await?;
        value.map(|value| read("t", &value)).transpose()
    }

    pub(crate) async fn scripts(&self) -> Result<Vec<ScriptBuf>, WatchError> {
        let entries = self.node.storage_entries(self.tree, SCRIPT).await?;
        let script = |key: Bytes| ScriptBuf::from_bytes(key.slice(SCRIPT.len()..).to_vec());
        Ok(entries.into_iter().map(|entry| script(entry.key)).collect())
    }

    pub(crate) async fn outputs(&self) -> Result<Vec<(OutPoint, Output)>, WatchError> {
        let mut outputs = Vec::new();
        for entry in self.node.storage_entries(self.tree, OUTPUT).await? {
            let key = format!("{:?}", entry.key);
            let outpoint = outpoint(&entry.key);
            let unreadable = || WatchError::Index { key: key.clone(), problem: "not an outpoint".to_owned() };
            outputs.push((outpoint.ok_or_else(unreadable)?, read(&key, &entry.value)?));
        }
        Ok(outputs)
    }

    pub(crate) async fn watch(&self, script: &ScriptBuf) -> Result<(), SdkError> {
        let key = [SCRIPT, script.as_bytes()].concat();
        self.node.storage_insert(self.tree, key.into(), Bytes::new()).await
    }

    /// Writes what changed, and the new tip.
    pub(crate) async fn write(&self, changes: &Changes, tip: Tip, way: Move) -> Result<(), WatchError> {
        let mut operations = Vec::with_capacity(changes.len().saturating_add(1));
        for (outpoint, output) in changes {
            let key = key(*outpoint);
            operations.push(match output {
                Some(output) => StorageOperation::Insert { value: written("o", output)?, key },
                None => StorageOperation::Remove { key },
            });
        }
        let tip = StorageOperation::Insert { key: TIP, value: written("t", &tip)? };
        match way {
            Move::Up => operations.push(tip),
            Move::Down => operations.insert(0, tip),
        }
        for batch in operations.chunks(MAX_BATCH) {
            self.node.storage_transaction(self.tree, BoundedVec::truncated(batch.iter().cloned())).await?;
        }
        Ok(())
    }
}

fn key(outpoint: OutPoint) -> Bytes {
    [OUTPUT, &outpoint.txid.to_bytes(), &outpoint.vout.to_be_bytes()].concat().into()
}

fn outpoint(key: &[u8]) -> Option<OutPoint> {
    let (txid, vout) = key.strip_prefix(OUTPUT)?.split_first_chunk::<32>()?;
    Some(OutPoint { txid: Txid::from_bytes(*txid), vout: u32::from_be_bytes(vout.try_into().ok()?) })
}

fn read<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, WatchError> {
    serde_json::from_slice(value)
        .map_err(|error| WatchError::Index { key: key.to_owned(), problem: error.to_string() })
}

fn written(key: &str, value: &impl serde::Serialize) -> Result<Bytes, WatchError> {
    let written = serde_json::to_vec(value);
    written
        .map(Bytes::from)
        .map_err(|error| WatchError::Index { key: key.to_owned(), problem: error.to_string() })
}
