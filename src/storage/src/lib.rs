//! One database per module: atomic, durable and bounded.
//!
//! A [`Store`] is a directory with a sled database in it. It has trees; a tree has keys, in the order of their bytes, and
//! values. What a module's author may rely on:
//!
//! - **Durable.** When [`insert`](Store::insert), [`remove`](Store::remove), [`transaction`](Store::transaction) or
//!   [`open_tree`](Store::open_tree) has returned, the change is on disk: it survives SIGKILL of everything, and power loss
//!   if the disk keeps what it has acknowledged. Writers that wait at the same time share one sync.
//! - **Atomic.** A call happens whole or not at all, in the face of crashes and of other threads. A reader may see a change
//!   shortly before the call that made it has returned.
//! - **Exact quotas.** Each change and the count of bytes and keys are one commit; the count is compared with the entries at
//!   each opening. What is refused changes nothing. Removing frees at once, and works when the store is full.
//! - **No silent loss.** Opening reads everything. If entries are missing, stale or damaged, or a commit that was
//!   acknowledged is not there, the store is [`StorageError::Corrupt`], which says what to do.
//!
//! A call that fails for another reason than a refusal (a full disk, a failed write) may have happened or not. The store is
//! closed then: every call is an error until it is opened again, with everything that was acknowledged.
//!
//! The files take more room than the quota says: sled writes changes to a log and reuses what is dead in pieces of 8 MiB;
//! reckon with four times what the store holds, and 160 MiB. So does the memory: sled's cache forgets late, so reckon
//! with what the store holds, and 50 MiB.
//!
//! A store has one thread, which syncs; sled has 7 for the whole process, 128 if very many stores write at once. The crate
//! never does anything in the background but sync and sled's writes and truncations, never follows what is in a store's directory to another place, and never gives out a value whose
//! checksum is wrong.
//!
//! ```
//! use cofferdam_storage::{Operation, Quota, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let store = Store::open(dir, Quota { bytes: 64 << 20, keys: 100_000, trees: 16 })?;
//! let outputs = store.open_tree("outputs")?;
//! store.insert(outputs, b"height", b"840000")?;
//! store.transaction(
//!     outputs,
//!     &[
//!         Operation::Expect { key: b"height".to_vec(), value: Some(b"840000".to_vec()) },
//!         Operation::Insert { key: b"height".to_vec(), value: b"840001".to_vec() },
//!         Operation::Insert { key: b"seen:840001".to_vec(), value: Vec::new() },
//!     ],
//! )?;
//! let page = store.page(outputs, None, Some(b"seen:"), 100, 1 << 20)?;
//! assert_eq!(page.entries.len(), 1);
//! # Ok(())
//! # }
//! ```

mod engine;
mod error;
mod fault;
mod files;
mod gate;
mod limits;
mod open;
mod record;
mod store;
mod tree;

pub use error::StorageError;
pub use limits::{
    Limit, MAX_BATCH_BYTES, MAX_BATCH_OPERATIONS, MAX_KEY_BYTES, MAX_TREE_NAME, MAX_VALUE_BYTES, Quota, Usage,
};
pub use store::Store;
pub use tree::{Operation, Page, TreeId};
