//! The files around the database: the lock, the acknowledged mark, the order of syncs. Never reads an entry.
//!
//! ```text
//! DIR/lock                    flock: one owner
//! DIR/creating/               a database that is not complete: removed at the next opening
//! DIR/database/               sled's: conf, db, snap.*, blobs/ (empty: see record.rs)
//! DIR/database/acknowledged   the number of the last commit that was acknowledged
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::StorageError;
use crate::gate;

/// A process that was killed a moment ago may still be on its way out, and a child that was forked while the store was open
/// holds the lock until it executes its program.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// Between two attempts at a lock.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The lock on a store's directory; released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What a durable commit needs: sled's log, to be synced, and the acknowledged mark.
#[derive(Debug)]
pub(crate) struct Files {
    log: Mutex<Log>,
    mark: File,
    database: PathBuf,
}

/// sled's log. The kernel reports a failed write-back once; whoever syncs after that would be told that all is well.
#[derive(Debug)]
struct Log {
    file: File,
    failed: bool,
}

/// Where the database is.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("database")
}

/// Where a database is made.
pub(crate) fn creating(dir: &Path) -> PathBuf {
    dir.join("creating")
}

/// How long sled's log is; 0 if there is none.
pub(crate) fn log_bytes(dir: &Path) -> u64 {
    fs::metadata(database(dir).join("db")).map_or(0, |log| log.len())
}

pub(crate) fn lock(dir: &Path) -> Result<Lock, StorageError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(failed(dir, "make the store's directory"))?;
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(failed(&path, "open the lock"))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::Error(source)) => return Err(failed(&path, "lock")(source)),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StorageError::Locked { dir: dir.to_owned() }),
        }
    }
}

/// Makes room for a new database.
pub(crate) fn remove_incomplete(dir: &Path) -> Result<(), StorageError> {
    let path = creating(dir);
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(failed(&path, "remove a database that was never completed")(source))
        }
        _ => Ok(()),
    }
}

/// sled takes a half-written snapshot for a newer one and then calls the database corrupt; the one it would have replaced
/// is still there.
pub(crate) fn remove_half_written_snapshots(database: &Path) -> Result<(), StorageError> {
    for item in fs::read_dir(database).map_err(failed(database, "list"))? {
        let path = item.map_err(failed(database, "list"))?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(&path).map_err(failed(&path, "remove a half-written snapshot"))?;
        }
    }
    Ok(())
}

/// Makes the database in `creating` durable and gives it its place: from then on it exists, whole.
pub(crate) fn publish(dir: &Path, sequence: u64) -> Result<(), StorageError> {
    let from = creating(dir);
    let path = from.join("acknowledged");
    let mark = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    let mark = mark.map_err(failed(&path, "create"))?;
    write_mark(&mark, sequence).map_err(failed(&path, "write"))?;
    for item in fs::read_dir(&from).map_err(failed(&from, "list"))? {
        sync(&item.map_err(failed(&from, "list"))?.path())?;
    }
    sync(&from)?;
    let to = database(dir);
    fs::rename(&from, &to).map_err(failed(&to, "give the new database its place"))?;
    sync(dir)?;
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync)
}

impl Files {
    /// To be opened before anything is written: the kernel reports a failed write-back to those who had the file open.
    pub(crate) fn open(database: &Path) -> Result<Self, StorageError> {
        let open = |path: PathBuf, options: &mut OpenOptions| {
            options.open(&path).map_err(|source| missing_is_corrupt(database, &path, source))
        };
        let log = Log { file: open(database.join("db"), OpenOptions::new().read(true))?, failed: false };
        let mark = open(database.join("acknowledged"), OpenOptions::new().read(true).write(true))?;
        Ok(Self { log: Mutex::new(log), mark, database: database.to_owned() })
    }

    /// The number of the last commit that was acknowledged.
    pub(crate) fn acknowledged(&self) -> Result<u64, StorageError> {
        let mut bytes = [0; 12];
        let read = self.mark.read_exact_at(&mut bytes, 0);
        let valid = read.is_ok() && self.mark.metadata().is_ok_and(|data| data.len() == 12);
        let [sequence @ .., _, _, _, _] = bytes;
        if valid && mark(u64::from_be_bytes(sequence)) == bytes {
            return Ok(u64::from_be_bytes(sequence));
        }
        Err(corrupt(&self.database, "the file database/acknowledged is damaged".to_owned()))
    }

    /// Makes what was written to the log durable.
    pub(crate) fn sync_log(&self) -> io::Result<()> {
        let mut log = gate::lock(&self.log);
        if log.failed {
            return Err(io::Error::other("an earlier sync failed"));
        }
        let synced = log.file.sync_data();
        log.failed = synced.is_err();
        synced
    }

    /// Notes that commits up to `sequence` are durable. The note itself is not synced: one that is too old accuses nobody.
    pub(crate) fn acknowledge(&self, sequence: u64) -> io::Result<()> {
        write_mark(&self.mark, sequence)
    }
}

pub(crate) fn corrupt(database: &Path, reason: String) -> StorageError {
    StorageError::Corrupt { dir: database.parent().unwrap_or(database).to_owned(), reason }
}

/// `map_err` of an input or output operation.
pub(crate) fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| {
        if is_full(&source) {
            return StorageError::DiskFull { dir: path };
        }
        StorageError::Io { path, action, source }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn missing_is_corrupt(database: &Path, path: &Path, source: io::Error) -> StorageError {
    if source.kind() == io::ErrorKind::NotFound {
        return corrupt(database, format!("{} is missing", path.display()));
    }
    failed(path, "open")(source)
}

/// One sector, so that it is either the old or the new one after a power loss.
fn write_mark(file: &File, sequence: u64) -> io::Result<()> {
    file.write_all_at(&mark(sequence), 0)
}

fn mark(sequence: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let number = sequence.to_be_bytes();
    let check = crc32fast::hash(&number).to_be_bytes();
    for (slot, byte) in bytes.iter_mut().zip(number.into_iter().chain(check)) {
        *slot = byte;
    }
    bytes
}

pub(crate) fn sync(path: &Path) -> Result<(), StorageError> {
    let file = File::open(path).map_err(failed(path, "open to sync"))?;
    file.sync_all().map_err(failed(path, "sync"))
}
