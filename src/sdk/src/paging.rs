//! What travels in pages, whole: entries of storage, files, names in a directory, ids of the mempool.
//!
//! Everything is held in memory, so each of these is for what fits there. A page is one call: what changes while the
//! pages are fetched may be seen or not, and an error leaves nothing half.

use bytes::Bytes;
use cofferdam_protocol::Txid;
use cofferdam_protocol::files::{DirectoryEntry, MAX_RANGE_BYTES};
use cofferdam_protocol::storage::{MAX_PAGE_ENTRIES, StorageEntry};

use crate::error::SdkError;
use crate::node_api::NodeApi;

impl NodeApi {
    /// All entries of a tree whose keys begin with `prefix` (all, if it is empty), in the order of their bytes.
    ///
    /// ```no_run
    /// # async fn example(node: cofferdam_sdk::NodeApi) -> Result<(), cofferdam_sdk::SdkError> {
    /// let tree = node.storage_open_tree("outputs".to_owned()).await?;
    /// for entry in node.storage_entries(tree, "o/").await? {
    ///     println!("{} bytes under {:?}", entry.value.len(), entry.key);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `storage_iter`.
    pub async fn storage_entries(
        &self,
        tree_id: u32,
        prefix: impl Into<Bytes>,
    ) -> Result<Vec<StorageEntry>, SdkError> {
        let prefix = prefix.into();
        let limit = u32::try_from(MAX_PAGE_ENTRIES).unwrap_or(u32::MAX);
        let mut entries: Vec<StorageEntry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.key.clone());
            let page = self.storage_iter(tree_id, prefix.clone(), after, limit).await?;
            let ended = !page.more || page.entries.is_empty();
            entries.extend(page.entries);
            if ended {
                return Ok(entries);
            }
        }
    }

    /// The content of a file of any size, in parts of 1 MiB. Where one call is enough, `read_file` reads the file
    /// as it is at one moment; this does not.
    ///
    /// # Errors
    /// Those of `read_file_range`.
    pub async fn read_to_end(&self, path: &str) -> Result<Vec<u8>, SdkError> {
        let mut content = Vec::new();
        loop {
            let offset = u64::try_from(content.len()).unwrap_or(u64::MAX);
            let part = self.read_file_range(path.to_owned(), offset, MAX_RANGE_BYTES).await?;
            content.extend_from_slice(&part.data);
            let read = u64::try_from(content.len()).unwrap_or(u64::MAX);
            if part.data.is_empty() || read >= part.file_bytes {
                return Ok(content);
            }
        }
    }

    /// All names in a directory (`""` is the data directory), in the order of their bytes.
    ///
    /// # Errors
    /// Those of `list_directory`.
    pub async fn directory_entries(&self, path: &str) -> Result<Vec<DirectoryEntry>, SdkError> {
        let mut entries: Vec<DirectoryEntry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.name.clone());
            let page = self.list_directory(path.to_owned(), after).await?;
            let ended = !page.more || page.entries.is_empty();
            entries.extend(page.entries);
            if ended {
                return Ok(entries);
            }
        }
    }

    /// The ids of all transactions in the mempool, in the order of their bytes: 32 bytes each.
    ///
    /// # Errors
    /// Those of `get_mempool_transactions`.
    pub async fn mempool_txids(&self) -> Result<Vec<Txid>, SdkError> {
        let mut page = self.get_mempool_transactions().await?;
        let mut txids: Vec<Txid> = page.txids.iter().collect();
        while let Some(last) = txids.last().filter(|_| page.more).copied() {
            page = self.get_mempool_transactions_after(last).await?;
            txids.extend(page.txids.iter());
        }
        Ok(txids)
    }
}
