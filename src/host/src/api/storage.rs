//! Calls about a module's own database. Arguments are checked before the disk is touched; an answer to a write
//! means that it is on the disk.

use bytes::Bytes;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::calls::{
    GetStorageUsage, StorageContainsKey, StorageGet, StorageInsert, StorageIter, StorageOpenTree,
    StorageRemove, StorageTransaction,
};
use cofferdam_protocol::storage::{
    MAX_KEY_BYTES, MAX_PAGE_ENTRIES, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES, StorageEntry, StorageOperation,
    StoragePage, StorageUsage,
};
use cofferdam_protocol::{ApiError, BoundedVec};
use cofferdam_storage::{Operation, StorageError, Store, TreeId};

use super::Host;
use super::failure::invalid;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use crate::quotas::{Fill, Resource};
use crate::storage::StoreFailure;

/// The most bytes of keys and values in a page.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

impl Handle<StorageOpenTree> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<StorageOpenTree>) -> Result<u32, ApiError> {
        let StorageOpenTree { name } = call.into_call();
        let tree = self.change_store(caller, move |store| store.open_tree(&name)).await?;
        Ok(tree.0)
    }
}

impl Handle<StorageInsert> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<StorageInsert>) -> Result<(), ApiError> {
        let StorageInsert { tree_id, key, value } = call.into_call();
        check_key("key", &key)?;
        check_value("value", &value)?;
        self.change_store(caller, move |store| store.insert(TreeId(tree_id), &key, &value)).await
    }
}

impl Handle<StorageGet> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, caller: &Caller, call: Authorized<StorageGet>) -> Result<Option<Bytes>, ApiError> {
        let StorageGet { tree_id, key } = call.into_call();
        check_key("key", &key)?;
        let value = self.on_store(caller, move |store| store.get(TreeId(tree_id), &key)).await?;
        Ok(value.map(Bytes::from))
    }
}

impl Handle<StorageRemove> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<StorageRemove>) -> Result<bool, ApiError> {
        let StorageRemove { tree_id, key } = call.into_call();
        check_key("key", &key)?;
        self.change_store(caller, move |store| store.remove(TreeId(tree_id), &key)).await
    }
}

impl Handle<StorageContainsKey> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<StorageContainsKey>) -> Result<bool, ApiError> {
        let StorageContainsKey { tree_id, key } = call.into_call();
        check_key("key", &key)?;
        self.on_store(caller, move |store| store.contains_key(TreeId(tree_id), &key)).await
    }
}

impl Handle<StorageIter> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, caller: &Caller, call: Authorized<StorageIter>) -> Result<StoragePage, ApiError> {
        let StorageIter { tree_id, prefix, after, limit } = call.into_call();
        check_key("prefix", &prefix)?;
        after.as_ref().map_or(Ok(()), |after| check_key("after", after))?;
        let entries = usize::try_from(limit).ok().filter(|limit| (1..=MAX_PAGE_ENTRIES).contains(limit));
        let entries = entries
            .ok_or_else(|| invalid("limit", format!("{limit}; it must be 1 to {MAX_PAGE_ENTRIES}")))?;
        let page = move |store: &Store| {
            store.page(TreeId(tree_id), after.as_deref(), Some(&prefix), entries, MAX_PAGE_BYTES)
        };
        let page = self.on_store(caller, page).await?;
        let entries = page.entries.into_iter();
        let entries = entries.map(|(key, value)| StorageEntry { key: key.into(), value: value.into() });
        Ok(StoragePage { entries: BoundedVec::truncated(entries), more: page.more })
    }
}

impl Handle<StorageTransaction> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<StorageTransaction>) -> Result<(), ApiError> {
        let StorageTransaction { tree_id, operations } = call.into_call();
        let steps = steps(operations.into_vec())?;
        self.change_store(caller, move |store| {
            let (places, operations): (Vec<usize>, Vec<Operation>) = steps.into_iter().unzip();
            store.transaction(TreeId(tree_id), &operations).map_err(|error| in_order_of_call(error, &places))
        })
        .await
    }
}

impl Handle<GetStorageUsage> for Host {
    async fn handle(
        &self,
        caller: &Caller,
        _: Authorized<GetStorageUsage>,
    ) -> Result<StorageUsage, ApiError> {
        let usage = self.on_store(caller, Store::usage).await?;
        let quota = self.local().stores.quota(&caller.module.name);
        let quota = quota.ok_or_else(|| self.fault(&"a database without a quota"))?;
        Ok(StorageUsage {
            bytes: usage.bytes,
            max_bytes: quota.bytes,
            keys: usage.keys,
            max_keys: quota.keys,
            trees: usage.trees.into(),
            max_trees: quota.trees.into(),
        })
    }
}

impl Host {
    /// Does something that changes how much the database holds, and notes how much that is.
    async fn change_store<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // A change that was made is answered as made, whether or not the count is known.
        let work = move |store: &Store| work(store).map(|done| (done, store.usage().ok()));
        let (done, usage) = self.on_store(caller, work).await?;
        if let Some(usage) = usage {
            self.note_use(&caller.module.name, self.local().stores.fills(&caller.module.name, usage));
        }
        Ok(done)
    }

    /// Notes how much of its quotas a module uses, and tells if it is nearly all.
    pub(super) fn note_use(&self, module: &ModuleName, fills: Vec<(Resource, Fill)>) {
        for warning in self.quotas().note(module, fills) {
            // Its cursor is for those who published it and want to know.
            let _ = self.hub().publish(warning);
        }
    }

    async fn on_store<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.local().stores.with(&caller.module.name, work).await;
        done.map_err(|failure| match failure {
            StoreFailure::Refused(error) => refused(&error),
            StoreFailure::Failed(reason) => ApiError::StorageFailed { reason },
            StoreFailure::Broken(broken) => self.fault(&broken),
            StoreFailure::Unlisted => self.fault(&"a module without a database"),
        })
    }
}

fn refused(error: &StorageError) -> ApiError {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are no refusals")]
    match error {
        StorageError::TreeName { .. } => invalid("name", error.to_string()),
        StorageError::UnknownTree(id) => {
            let problem = format!("no tree of this module has the id {id}; storage_open_tree answers it");
            invalid("tree_id", problem)
        }
        StorageError::QuotaExceeded { limit, wanted, allowed } => {
            ApiError::QuotaExceeded { what: format!("storage {limit}"), requested: *wanted, limit: *allowed }
        }
        StorageError::Conflict { operation } => {
            ApiError::Conflict { what: format!("what operation {operation} (the first is 0) expects") }
        }
        other => invalid("operations", other.to_string()),
    }
}

/// The operations with their places in the call. What is expected is expected before the transaction, so it
/// comes first; the others keep their order.
fn steps(operations: Vec<StorageOperation>) -> Result<Vec<(usize, Operation)>, ApiError> {
    let mut bytes = 0_usize;
    let mut steps = Vec::with_capacity(operations.len());
    for (place, operation) in operations.into_iter().enumerate() {
        let step = step(operation)?;
        bytes = bytes.saturating_add(size(&step));
        steps.push((place, step));
    }
    if bytes > MAX_TRANSACTION_BYTES {
        let problem = format!("{bytes} bytes of keys and values; at most {MAX_TRANSACTION_BYTES} at once");
        return Err(invalid("operations", problem));
    }
    steps.sort_by_key(|(_, step)| !matches!(step, Operation::Expect { .. }));
    Ok(steps)
}

fn step(operation: StorageOperation) -> Result<Operation, ApiError> {
    let step = match operation {
        StorageOperation::Insert { key, value } => Operation::Insert { key: key.into(), value: value.into() },
        StorageOperation::Remove { key } => Operation::Remove { key: key.into() },
        StorageOperation::Expect { key, value } => {
            Operation::Expect { key: key.into(), value: value.map(Vec::from) }
        }
        // The enum is open for module authors only; a tag that is not in it does not decode.
        other => return Err(invalid("operations", format!("operation {} is not known", other.tag()))),
    };
    let (key, value) = parts(&step);
    check_key("operations", key)?;
    check_value("operations", value)?;
    Ok(step)
}

fn parts(step: &Operation) -> (&[u8], &[u8]) {
    match step {
        Operation::Insert { key, value } => (key, value),
        Operation::Remove { key } => (key, &[]),
        Operation::Expect { key, value } => (key, value.as_deref().unwrap_or_default()),
    }
}

fn size(step: &Operation) -> usize {
    let (key, value) = parts(step);
    key.len().saturating_add(value.len())
}

/// The error, with the place that the module gave the operation.
fn in_order_of_call(error: StorageError, places: &[usize]) -> StorageError {
    if let StorageError::Conflict { operation } = error {
        return StorageError::Conflict { operation: places.get(operation).copied().unwrap_or(operation) };
    }
    error
}

fn check_key(argument: &str, key: &[u8]) -> Result<(), ApiError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(invalid(argument, format!("a key of {} bytes; at most {MAX_KEY_BYTES}", key.len())));
    }
    Ok(())
}

fn check_value(argument: &str, value: &[u8]) -> Result<(), ApiError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(invalid(
            argument,
            format!("a value of {} bytes; at most {MAX_VALUE_BYTES}", value.len()),
        ));
    }
    Ok(())
}
