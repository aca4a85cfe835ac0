//! The database of one store: commits that happen whole or not at all, and the count of what it holds. Never called by two
//! threads at a time: see store.rs.
//!
//! A commit is a sequence of sled inserts. sled writes them to one log, in this order, and after a crash has a prefix of
//! it. So the first insert that counts, the head, describes the whole commit; the rest only carries it out. If the prefix
//! ends before the head, nothing happened; after it, the next opening carries the commit out again (open.rs).
//! sled's own batches are not used: they take a lock that all databases of a process share, hold the log's buffer while
//! they read, and so could make one module wait for another, or for itself.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::error::StorageError;
use crate::fault::{Fault, Stop, guarded};
use crate::files::Files;
use crate::limits::{Quota, Usage};
use crate::record::{
    self, CHUNK_BYTES, Change, Head, PART_BYTES, Place, Stored, Totals, chunk_key, entry_key, name_key,
};
use crate::tree::{Operation, Page, TreeId};

/// At most this much is written between two syncs. sled writes a segment (8 MiB) over an old one when what was live in that
/// has been copied and written, though not synced; syncing more often than segments are filled closes that hole.
const SYNC_EVERY_BYTES: usize = 1024 * 1024;

pub(crate) const HEAD: &[u8] = b"head";

/// sled's handles. Dropping them writes what is left, so it may block.
pub(crate) struct Handles {
    pub(crate) entries: sled::Tree,
    pub(crate) head: sled::Tree,
    pub(crate) parts: sled::Tree,
    pub(crate) db: sled::Db,
}

/// An open database.
pub(crate) struct Engine {
    pub(crate) handles: Option<Handles>,
    pub(crate) files: Arc<Files>,
    pub(crate) totals: Totals,
    /// The number of the last commit.
    pub(crate) sequence: u64,
    /// The names of the trees, by id.
    pub(crate) trees: Vec<String>,
    pub(crate) unsynced_bytes: usize,
}

impl Engine {
    pub(crate) fn open_tree(&mut self, name: &str, quota: &Quota) -> Result<TreeId, Stop> {
        if let Some(tree) = self.trees().find_map(|(known, tree)| (known == name).then_some(tree)) {
            return Ok(tree);
        }
        let mut totals = self.totals;
        let tree = TreeId(totals.usage.trees);
        totals.usage.trees = totals.usage.trees.saturating_add(1);
        refuse(quota, self.totals.usage, totals.usage)?;
        let key = name_key(tree);
        totals.sum = totals.sum.wrapping_add(record::checksum(&key, name.as_bytes()));
        self.commit(&[Change { key, value: Some(name.as_bytes().to_vec()) }], totals)?;
        self.trees.push(name.to_owned());
        Ok(tree)
    }

    pub(crate) fn trees(&self) -> impl Iterator<Item = (&str, TreeId)> {
        self.trees.iter().zip(0..).map(|(name, id)| (name.as_str(), TreeId(id)))
    }

    pub(crate) fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        self.check_tree(tree)?;
        let found = self.handles()?.entries.get(entry_key(tree, key)).map_err(Fault::from)?;
        Ok(found.map(|record| self.load(tree, key, &record)).transpose()?)
    }

    pub(crate) fn contains_key(&self, tree: TreeId, key: &[u8]) -> Result<bool, Stop> {
        self.check_tree(tree)?;
        Ok(self.handles()?.entries.contains_key(entry_key(tree, key)).map_err(Fault::from)?)
    }

    pub(crate) fn page(
        &self,
        tree: TreeId,
        after: Option<&[u8]>,
        prefix: &[u8],
        (max_entries, max_bytes): (usize, usize),
    ) -> Result<Page, Stop> {
        self.check_tree(tree)?;
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(entry_key(tree, after)),
            _ => Bound::Included(entry_key(tree, prefix)),
        };
        let mut page = Page::default();
        let mut bytes = 0_usize;
        for item in self.handles()?.entries.range((start, Bound::Unbounded)) {
            let (place, record) = item.map_err(Fault::from)?;
            let Some(Place::Entry(found, key)) = record::place(&place) else { break };
            if found != tree || !key.starts_with(prefix) {
                break;
            }
            bytes = bytes.saturating_add(key.len()).saturating_add(stored(&record)?.bytes());
            let full = page.entries.len() >= max_entries || bytes > max_bytes;
            if full && !page.entries.is_empty() {
                page.more = true;
                break;
            }
            page.entries.push((key.to_vec(), self.load(tree, key, &record)?));
        }
        Ok(page)
    }

    /// Does all of `operations`, or none.
    pub(crate) fn transaction(
        &mut self,
        tree: TreeId,
        operations: &[Operation],
        quota: &Quota,
    ) -> Result<(), Stop> {
        self.check_tree(tree)?;
        let writes = self.resolve(tree, operations)?;
        let (changes, totals) = self.plan(tree, &writes)?;
        refuse(quota, self.totals.usage, totals.usage)?;
        if changes.is_empty() { Ok(()) } else { Ok(self.commit(&changes, totals)?) }
    }

    /// Writes all that was committed to sled's file. Not durable before [`Files::sync_log`].
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        self.handles()?.db.flush()?;
        Ok(())
    }

    /// Gives up the database after a fault. Not in this thread: after a panic sled may wait for ever for a write that nobody
    /// finishes.
    pub(crate) fn abandon(&mut self) {
        if let Some(handles) = self.handles.take() {
            let close = move || close(handles);
            // Without a thread it happens here.
            let _ = std::thread::Builder::new().name("storage-close".to_owned()).spawn(close);
        }
    }

    pub(crate) fn handles(&self) -> Result<&Handles, Fault> {
        self.handles.as_ref().ok_or_else(|| Fault::Io("closed".to_owned()))
    }

    /// The value that `record` stands for.
    pub(crate) fn load(&self, tree: TreeId, key: &[u8], record: &[u8]) -> Result<Vec<u8>, Fault> {
        let stored = stored(record)?;
        let Stored::Chunked { bytes, checksum } = stored else {
            return Ok(record.get(1..).unwrap_or_default().to_vec());
        };
        let mut value = Vec::new();
        for index in 0..stored.chunks() {
            let chunk = self.handles()?.entries.get(chunk_key(tree, key, index))?;
            value.extend_from_slice(&chunk.ok_or_else(|| Fault::corrupt("part of a value is missing"))?);
        }
        if value.len() != bytes || crc32fast::hash(&value) != checksum {
            return Err(Fault::corrupt("a value is damaged"));
        }
        Ok(value)
    }

    /// Carries out what the head says. Doing it again changes nothing.
    pub(crate) fn carry_out(&mut self, changes: &[Change]) -> Result<(), Fault> {
        for Change { key, value } in changes {
            match value {
                Some(value) => self.handles()?.entries.insert(key, value.as_slice())?,
                None => self.handles()?.entries.remove(key)?,
            };
            self.wrote(key.len() + value.as_ref().map_or(0, Vec::len))?;
        }
        Ok(())
    }

    /// The end of a commit that had parts.
    pub(crate) fn drop_parts(&mut self) -> Result<(), Fault> {
        let head = Head { sequence: self.sequence, totals: self.totals, parts: 0, changes: Vec::new() };
        self.handles()?.head.insert(HEAD, head.encode())?;
        for part in self.handles()?.parts.iter().keys() {
            self.handles()?.parts.remove(part?)?;
        }
        Ok(())
    }

    /// The value each key is to have, in the end.
    fn resolve<'a>(
        &self,
        tree: TreeId,
        operations: &'a [Operation],
    ) -> Result<BTreeMap<&'a [u8], Option<&'a [u8]>>, Stop> {
        let mut writes: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for (index, operation) in operations.iter().enumerate() {
            let (key, value) = operation.parts();
            if !matches!(operation, Operation::Expect { .. }) {
                writes.insert(key, value);
                continue;
            }
            let holds = match writes.get(key) {
                Some(written) => *written == value,
                None => self.get(tree, key)?.as_deref() == value,
            };
            if !holds {
                return Err(StorageError::Conflict { operation: index }.into());
            }
        }
        Ok(writes)
    }

    /// The changes that `writes` need, and what the store will hold then.
    fn plan(
        &self,
        tree: TreeId,
        writes: &BTreeMap<&[u8], Option<&[u8]>>,
    ) -> Result<(Vec<Change>, Totals), Fault> {
        let mut totals = self.totals;
        let mut changes = Vec::new();
        for (key, value) in writes {
            let place = entry_key(tree, key);
            let old = self.handles()?.entries.get(&place)?;
            let mut old_chunks = 0;
            if let Some(old) = &old {
                let stored = stored(old)?;
                old_chunks = stored.chunks();
                totals.remove(key, &stored, record::checksum(&place, old));
            }
            let new = value.map(record::record);
            let chunks =
                value.filter(|value| value.len() > CHUNK_BYTES).unwrap_or_default().chunks(CHUNK_BYTES);
            if let Some(new) = &new {
                totals.add(key, &stored(new)?, record::checksum(&place, new));
            }
            if chunks.len() == 0 && old.as_deref() == new.as_deref() {
                continue;
            }
            for index in chunks.len()..old_chunks {
                changes.push(Change { key: chunk_key(tree, key, index), value: None });
            }
            for (index, chunk) in chunks.enumerate() {
                changes.push(Change { key: chunk_key(tree, key, index), value: Some(chunk.to_vec()) });
            }
            changes.push(Change { key: place, value: new });
        }
        Ok((changes, totals))
    }

    fn commit(&mut self, changes: &[Change], totals: Totals) -> Result<(), Fault> {
        let mut encoded = record::encode_changes(changes);
        let mut parts = 0_u32;
        if encoded.len() > PART_BYTES {
            for part in encoded.chunks(PART_BYTES) {
                self.handles()?.parts.insert(parts.to_be_bytes(), part)?;
                self.wrote(part.len())?;
                parts += 1;
            }
            encoded.clear();
        }
        let inline_bytes = encoded.len();
        let head = Head { sequence: self.sequence.saturating_add(1), totals, parts, changes: encoded };
        self.handles()?.head.insert(HEAD, head.encode())?;
        self.sequence = head.sequence;
        self.totals = totals;
        self.wrote(inline_bytes)?;
        self.carry_out(changes)?;
        if parts > 0 { self.drop_parts() } else { Ok(()) }
    }

    fn wrote(&mut self, bytes: usize) -> Result<(), Fault> {
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(bytes);
        if self.unsynced_bytes > SYNC_EVERY_BYTES {
            self.flush()?;
            self.files.sync_log()?;
            self.unsynced_bytes = 0;
        }
        Ok(())
    }

    fn check_tree(&self, tree: TreeId) -> Result<(), Stop> {
        if tree.0 < self.totals.usage.trees { Ok(()) } else { Err(StorageError::UnknownTree(tree.0).into()) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(handles) = self.handles.take() {
            close(handles);
        }
    }
}

/// Writes what is left, as far as it can be written: all that was acknowledged is on disk already.
fn close(handles: Handles) {
    let _: Result<(), Fault> = guarded(|| {
        drop(handles);
        Ok(())
    });
}

impl Totals {
    pub(crate) fn add(&mut self, key: &[u8], stored: &Stored<'_>, checksum: u64) {
        self.usage.bytes = self.usage.bytes.wrapping_add(length(key, stored));
        self.usage.keys = self.usage.keys.wrapping_add(1);
        self.sum = self.sum.wrapping_add(checksum);
    }

    fn remove(&mut self, key: &[u8], stored: &Stored<'_>, checksum: u64) {
        self.usage.bytes = self.usage.bytes.wrapping_sub(length(key, stored));
        self.usage.keys = self.usage.keys.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(checksum);
    }
}

fn length(key: &[u8], stored: &Stored<'_>) -> u64 {
    u64::try_from(key.len() + stored.bytes()).unwrap_or(u64::MAX)
}

pub(crate) fn stored(record: &[u8]) -> Result<Stored<'_>, Fault> {
    record::stored(record).ok_or_else(|| Fault::corrupt("an entry is damaged"))
}

fn refuse(quota: &Quota, old: Usage, new: Usage) -> Result<(), StorageError> {
    match quota.refuses(old, new) {
        Some((limit, wanted, allowed)) => Err(StorageError::QuotaExceeded { limit, wanted, allowed }),
        None => Ok(()),
    }
}
