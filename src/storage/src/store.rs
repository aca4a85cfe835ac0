//! The store: checks what it is asked, lets one thread at a time into the database, and answers a write only when it is on
//! disk. Never answers from a database that failed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::StorageError;
use crate::fault::{Fault, Stop, guarded};
use crate::files::{self, Files, Lock};
use crate::gate::{Gate, TimedOut, lock};
use crate::limits::{Quota, Usage};
use crate::open;
use crate::tree::{self, Operation, Page, TreeId};

/// How long a call waits for others, or for the disk. A disk that spins up answers within some ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long opening may take at least.
const OPEN_PATIENCE: Duration = Duration::from_secs(120);
/// Opening reads everything; it gets more time for a long log. An old disk reads tens of times as fast.
const OPEN_BYTES_PER_SECOND: u64 = 1 << 20;

/// One module's database. Cheap to clone; closed when the last clone is dropped. Every call may block, on the disk too.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    quota: Quota,
    /// One thread at a time, for reads too: sled finishes splits while it reads, and loses the error of a write that it
    /// begins for one thread while another is in the middle of a change. Whoever waits for that write waits for ever.
    engine: Gate<Engine>,
    failure: OnceLock<Fault>,
    syncs: Arc<Syncs>,
    files: Arc<Files>,
    /// Released last.
    _lock: Lock,
}

/// What the writers and the thread that syncs for them tell each other.
struct Syncs {
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// How far the log is on disk.
struct Progress {
    /// Commits up to this one are durable.
    durable: u64,
    /// A writer waits for this one.
    wanted: u64,
    /// The store is gone.
    closing: bool,
}

impl Store {
    /// Opens the store in `dir`, and makes it if there is none. Reads everything, so that what is damaged is found now.
    ///
    /// # Errors
    /// [`StorageError::Locked`], [`StorageError::Corrupt`], [`StorageError::DiskFull`] (opening writes up to 16 MiB),
    /// [`StorageError::Io`], [`StorageError::Stalled`].
    pub fn open(dir: &Path, quota: Quota) -> Result<Self, StorageError> {
        let (engine, lock) = open_with_deadline(dir, files::lock(dir)?)?;
        let durable = engine.sequence;
        let progress = Mutex::new(Progress { durable, wanted: durable, closing: false });
        let syncs = Arc::new(Syncs { progress, changed: Condvar::new() });
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            quota,
            files: Arc::clone(&engine.files),
            engine: Gate::new(engine),
            failure: OnceLock::new(),
            syncs: Arc::clone(&syncs),
            _lock: lock,
        });
        let weak = Arc::downgrade(&shared);
        let thread = std::thread::Builder::new().name("storage-sync".to_owned());
        let thread = thread.spawn(move || sync_when_wanted(&syncs, &weak));
        thread.map_err(files::failed(dir, "start the thread that syncs"))?;
        Ok(Self(shared))
    }

    /// The id of the tree with this name; makes the tree if there is none.
    ///
    /// # Errors
    /// [`StorageError::TreeName`], [`StorageError::QuotaExceeded`], and those of every write.
    pub fn open_tree(&self, name: &str) -> Result<TreeId, StorageError> {
        tree::check_name(name)?;
        self.0.write(|engine, quota| engine.open_tree(name, quota))
    }

    /// The names and ids of all trees, in the order in which they were made.
    ///
    /// # Errors
    /// Those of every read.
    pub fn trees(&self) -> Result<Vec<(String, TreeId)>, StorageError> {
        self.0.enter(|engine| Ok(engine.trees().map(|(name, tree)| (name.to_owned(), tree)).collect()))
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`StorageError::UnknownTree`], [`StorageError::TooLong`], and those of every read.
    pub fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        tree::check_key(key)?;
        self.0.enter(|engine| engine.get(tree, key))
    }

    /// Whether `key` has a value.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub fn contains_key(&self, tree: TreeId, key: &[u8]) -> Result<bool, StorageError> {
        tree::check_key(key)?;
        self.0.enter(|engine| engine.contains_key(tree, key))
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    /// [`StorageError::UnknownTree`], [`StorageError::TooLong`], [`StorageError::QuotaExceeded`]: nothing was changed. And
    /// those of every write.
    pub fn insert(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.transaction(tree, &[Operation::Insert { key: key.to_vec(), value: value.to_vec() }])
    }

    /// Removes `key`; says whether it was there.
    ///
    /// # Errors
    /// As of [`get`](Self::get), and those of every write.
    pub fn remove(&self, tree: TreeId, key: &[u8]) -> Result<bool, StorageError> {
        tree::check_key(key)?;
        let remove = [Operation::Remove { key: key.to_vec() }];
        self.0.write(|engine, quota| {
            let keys = engine.totals.usage.keys;
            engine.transaction(tree, &remove, quota)?;
            Ok(engine.totals.usage.keys < keys)
        })
    }

    /// Entries of `tree` in the order of their keys: those after the key `after`, with keys that begin with `prefix`. At
    /// most `max_entries`, and as many as fit `max_bytes` of keys and values; but one at least if there is one.
    ///
    /// # Errors
    /// As of [`get`](Self::get).
    pub fn page(
        &self,
        tree: TreeId,
        after: Option<&[u8]>,
        prefix: Option<&[u8]>,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Page, StorageError> {
        let prefix = prefix.unwrap_or_default();
        tree::check_key(after.unwrap_or_default())?;
        tree::check_key(prefix)?;
        self.0.enter(|engine| engine.page(tree, after, prefix, (max_entries, max_bytes)))
    }

    /// Does all of `operations` in their order, or none of them. Others see all of them or none.
    ///
    /// # Errors
    /// [`StorageError::Conflict`], [`StorageError::QuotaExceeded`], [`StorageError::UnknownTree`],
    /// [`StorageError::TooLong`]: nothing was changed. And those of every write.
    pub fn transaction(&self, tree: TreeId, operations: &[Operation]) -> Result<(), StorageError> {
        tree::check_batch(operations)?;
        self.0.write(|engine, quota| engine.transaction(tree, operations, quota))
    }

    /// What the store holds.
    ///
    /// # Errors
    /// Those of every read.
    pub fn usage(&self) -> Result<Usage, StorageError> {
        self.0.enter(|engine| Ok(engine.totals.usage))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

/// sled may hang on files that are damaged in a way that nobody thought of. Then its thread is lost and the directory stays
/// locked, but the caller goes on.
fn open_with_deadline(dir: &Path, lock: Lock) -> Result<(Engine, Lock), StorageError> {
    let (done, opened) = sync_channel(1);
    let path = dir.to_owned();
    let work = move || {
        // Nobody may be waiting any more.
        let _ = done.send(open::open(&path).map(|engine| (engine, lock)));
    };
    let thread = std::thread::Builder::new().name("storage-open".to_owned()).spawn(work);
    thread.map_err(files::failed(dir, "start a thread to open the store"))?;
    let patience = OPEN_PATIENCE + Duration::from_secs(files::log_bytes(dir) / OPEN_BYTES_PER_SECOND);
    match opened.recv_timeout(patience) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Timeout) => Err(stalled(dir, patience)),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Fault::corrupt("the thread that opened it ended without an answer").error(dir))
        }
    }
}

impl Shared {
    /// Does `work` and waits until it is durable. So is what `work` saw: if it changed nothing because another thread had
    /// just done the same, that is durable too.
    fn write<Done>(
        &self,
        work: impl FnOnce(&mut Engine, &Quota) -> Result<Done, Stop>,
    ) -> Result<Done, StorageError> {
        let (done, sequence) = self.enter(|engine| Ok((work(engine, &self.quota)?, engine.sequence)))?;
        self.wait_until_durable(sequence)?;
        Ok(done)
    }

    /// Does `work` with nobody else in the database.
    fn enter<Done>(
        &self,
        work: impl FnOnce(&mut Engine) -> Result<Done, Stop>,
    ) -> Result<Done, StorageError> {
        let result = self.engine.with(PATIENCE, |engine| {
            self.check()?;
            guarded(|| work(engine)).map_err(|stop| match stop {
                Stop::Refused(refusal) => refusal,
                Stop::Fault(fault) => self.fail(engine, fault),
            })
        });
        result.unwrap_or_else(|TimedOut| Err(self.stalled()))
    }

    /// Group commit: one sync serves all writers that wait. A writer returns when a sync that began after its commit has
    /// ended: `sync` reads the number of the last commit before it flushes, and the writer's commit was in the log before
    /// the writer came here. The sync is another thread's, so that a disk that hangs does not keep the writer for ever.
    fn wait_until_durable(&self, sequence: u64) -> Result<(), StorageError> {
        let started = Instant::now();
        let mut progress = lock(&self.syncs.progress);
        if progress.wanted < sequence {
            progress.wanted = sequence;
            self.syncs.changed.notify_all();
        }
        while progress.durable < sequence {
            self.check()?;
            let Some(patience) = PATIENCE.checked_sub(started.elapsed()) else { return Err(self.stalled()) };
            let waited = self.syncs.changed.wait_timeout(progress, patience);
            (progress, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Makes all commits up to now durable; gives the number of the last.
    fn sync(&self) -> Result<u64, StorageError> {
        let sequence = self.enter(|engine| {
            engine.flush()?;
            engine.unsynced_bytes = 0;
            Ok(engine.sequence)
        })?;
        let synced = self.files.sync_log().and_then(|()| self.files.acknowledge(sequence));
        match synced {
            Ok(()) => Ok(sequence),
            // The kernel may have dropped what it could not write: what the database has in memory is not to be trusted.
            Err(error) => self.enter(|_| Err(Fault::from(error).into())),
        }
    }

    fn check(&self) -> Result<(), StorageError> {
        self.failure.get().map_or(Ok(()), |fault| Err(fault.error(&self.dir)))
    }

    /// Closes the store: from now on every call gets the error of the first fault.
    fn fail(&self, engine: &mut Engine, fault: Fault) -> StorageError {
        engine.abandon();
        self.failure.get_or_init(|| fault).error(&self.dir)
    }

    fn stalled(&self) -> StorageError {
        stalled(&self.dir, PATIENCE)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&self.syncs.progress).closing = true;
        self.syncs.changed.notify_all();
    }
}

/// The thread that syncs. Ends with the store, or when the store has failed.
fn sync_when_wanted(syncs: &Syncs, store: &Weak<Shared>) {
    loop {
        let idle = |progress: &mut Progress| !progress.closing && progress.wanted <= progress.durable;
        let progress = syncs.changed.wait_while(lock(&syncs.progress), idle);
        drop(progress.unwrap_or_else(PoisonError::into_inner));
        let Some(shared) = store.upgrade() else { return };
        let synced = shared.sync();
        let failed = shared.failure.get().is_some();
        // Before the writers are woken: the store is to be closed by them, not here and later.
        drop(shared);
        let mut progress = lock(&syncs.progress);
        if let Ok(durable) = synced {
            progress.durable = progress.durable.max(durable);
        }
        drop(progress);
        syncs.changed.notify_all();
        if failed {
            return;
        }
    }
}

fn stalled(dir: &Path, patience: Duration) -> StorageError {
    StorageError::Stalled { dir: dir.to_owned(), seconds: patience.as_secs() }
}
