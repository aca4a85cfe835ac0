//! A module's database, in memory: the limits and the errors of the real one, without its disk.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use cofferdam_protocol::storage::{
    MAX_KEY_BYTES, MAX_PAGE_ENTRIES, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, StorageEntry, StorageOperation,
    StoragePage, StorageUsage,
};
use cofferdam_protocol::{ApiError, BoundedVec};

use super::builtin::invalid;

/// The most bytes of keys and values in a page.
const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// The longest name of a tree.
const MAX_TREE_NAME: usize = 64;

/// The quota if the test sets no other.
const QUOTA: StorageUsage = StorageUsage {
    bytes: 0,
    max_bytes: 64 * 1024 * 1024,
    keys: 0,
    max_keys: 100_000,
    trees: 0,
    max_trees: 16,
};

type Tree = BTreeMap<Bytes, Bytes>;

/// The trees, by their ids.
pub(super) struct Storage {
    quota: StorageUsage,
    names: Vec<String>,
    trees: BTreeMap<u32, Tree>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { quota: QUOTA, names: Vec::new(), trees: BTreeMap::new() }
    }
}

impl Storage {
    pub(super) fn limit(&mut self, quota: StorageUsage) {
        self.quota = quota;
    }

    pub(super) fn usage(&self) -> StorageUsage {
        usage_of(&self.trees, self.quota)
    }

    pub(super) fn open(&mut self, name: &str) -> Result<u32, ApiError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(1..=MAX_TREE_NAME).contains(&name.len()) || !name.bytes().all(allowed) {
            let rule = "1 to 64 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
            return Err(invalid("name", format!("{name:?} is not {rule}")));
        }
        let known = self.names.iter().position(|known| known == name);
        let id = known.unwrap_or(self.names.len());
        let id = u32::try_from(id).map_err(|_| invalid("name", "too many trees"))?;
        if known.is_none() {
            let mut trees = self.trees.clone();
            trees.insert(id, Tree::new());
            self.replace(trees)?;
            self.names.push(name.to_owned());
        }
        Ok(id)
    }

    pub(super) fn get(&self, tree: u32, key: &Bytes) -> Result<Option<Bytes>, ApiError> {
        check("key", key, MAX_KEY_BYTES)?;
        Ok(self.tree(tree)?.get(key).cloned())
    }

    pub(super) fn page(
        &self,
        tree: u32,
        prefix: &Bytes,
        after: Option<&Bytes>,
        limit: u32,
    ) -> Result<StoragePage, ApiError> {
        check("prefix", prefix, MAX_KEY_BYTES)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if !(1..=MAX_PAGE_ENTRIES).contains(&limit) {
            return Err(invalid("limit", format!("{limit}; it must be 1 to {MAX_PAGE_ENTRIES}")));
        }
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut rest = self
            .tree(tree)?
            .range::<Bytes, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        while let Some((key, value)) = rest.peek() {
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            if entries.len() == limit || (bytes > MAX_PAGE_BYTES && !entries.is_empty()) {
                break;
            }
            entries.push(StorageEntry { key: (*key).clone(), value: (*value).clone() });
            rest.next();
        }
        Ok(StoragePage { more: rest.peek().is_some(), entries: BoundedVec::truncated(entries) })
    }

    /// Removes a key and says whether it was there.
    pub(super) fn remove(&mut self, tree: u32, key: Bytes) -> Result<bool, ApiError> {
        let there = self.get(tree, &key)?.is_some();
        self.apply(tree, vec![StorageOperation::Remove { key }])?;
        Ok(there)
    }

    /// Applies operations together or not at all.
    pub(super) fn apply(&mut self, tree: u32, operations: Vec<StorageOperation>) -> Result<(), ApiError> {
        let mut changed = self.tree(tree)?.clone();
        let mut bytes = 0_usize;
        for (place, operation) in operations.into_iter().enumerate() {
            let (key, value) = parts(&operation)?;
            check("operations", key, MAX_KEY_BYTES)?;
            check("operations", value, MAX_VALUE_BYTES)?;
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            self.expect(tree, place, &operation)?;
            if let StorageOperation::Insert { key, value } = operation {
                changed.insert(key, value);
            } else if let StorageOperation::Remove { key } = operation {
                changed.remove(&key);
            }
        }
        if bytes > MAX_TRANSACTION_BYTES {
            let problem =
                format!("{bytes} bytes of keys and values; at most {MAX_TRANSACTION_BYTES} at once");
            return Err(invalid("operations", problem));
        }
        let mut trees = self.trees.clone();
        trees.insert(tree, changed);
        self.replace(trees)
    }

    fn expect(&self, tree: u32, place: usize, operation: &StorageOperation) -> Result<(), ApiError> {
        if let StorageOperation::Expect { key, value } = operation
            && self.tree(tree)?.get(key) != value.as_ref()
        {
            return Err(ApiError::Conflict {
                what: format!("what operation {place} (the first is 0) expects"),
            });
        }
        Ok(())
    }

    fn tree(&self, id: u32) -> Result<&Tree, ApiError> {
        self.trees.get(&id).ok_or_else(|| {
            invalid(
                "tree_id",
                format!("no tree of this module has the id {id}; storage_open_tree answers it"),
            )
        })
    }

    /// Takes the changed trees if the quota allows it. What frees is always allowed.
    fn replace(&mut self, trees: BTreeMap<u32, Tree>) -> Result<(), ApiError> {
        let (before, after) = (self.usage(), usage_of(&trees, self.quota));
        let limits = [
            ("storage bytes", before.bytes, after.bytes, after.max_bytes),
            ("storage keys", before.keys, after.keys, after.max_keys),
            ("storage trees", before.trees, after.trees, after.max_trees),
        ];
        for (what, before, requested, limit) in limits {
            if requested > limit && requested > before {
                return Err(ApiError::QuotaExceeded { what: what.to_owned(), requested, limit });
            }
        }
        self.trees = trees;
        Ok(())
    }
}

fn usage_of(trees: &BTreeMap<u32, Tree>, quota: StorageUsage) -> StorageUsage {
    let entries = || trees.values().flatten();
    let bytes = entries().map(|(key, value)| key.len().saturating_add(value.len())).sum();
    StorageUsage { bytes: wide(bytes), keys: wide(entries().count()), trees: wide(trees.len()), ..quota }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn parts(operation: &StorageOperation) -> Result<(&[u8], &[u8]), ApiError> {
    match operation {
        StorageOperation::Insert { key, value } => Ok((key, value)),
        StorageOperation::Remove { key } => Ok((key, &[])),
        StorageOperation::Expect { key, value } => Ok((key, value.as_deref().unwrap_or_default())),
        other => Err(invalid("operations", format!("operation {} is not known", other.tag()))),
    }
}

fn check(argument: &str, bytes: &[u8], max: usize) -> Result<(), ApiError> {
    if bytes.len() > max {
        return Err(invalid(argument, format!("{} bytes; at most {max}", bytes.len())));
    }
    Ok(())
}
