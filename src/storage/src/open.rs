//! Opening a database: makes a new one whole, brings the last commit of an old one to its end, and counts everything. Never
//! gives out a database that holds something else than what was acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Engine, HEAD, Handles, stored};
use crate::error::StorageError;
use crate::fault::{Fault, guarded};
use crate::files::{self, Files, LOCK_PAUSE};
use crate::record::{self, Head, Place, Stored, Totals};
use crate::tree::TreeId;

/// sled's cache, for each store: modules are many.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// sled keeps what is above a quarter of this in files of its own: an index node of 257 of the longest keys must fit.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// A store that was closed a moment ago may still be held by a thread of sled's that is finishing a write.
const SLED_LOCK_WAIT: Duration = Duration::from_secs(5);

/// Opens the database of the store in `dir`, and makes it first if it is not there. The caller holds the lock.
pub(crate) fn open(dir: &Path) -> Result<Engine, StorageError> {
    let database = files::database(dir);
    if !database.exists() {
        create(dir)?;
    }
    files::remove_half_written_snapshots(&database)?;
    let files = Arc::new(Files::open(&database)?);
    let acknowledged = files.acknowledged()?;
    let opened = guarded(|| recover(&database, files, acknowledged));
    let engine = opened.map_err(|fault| fault.error(dir))?;
    files::sync(&database)?;
    Ok(engine)
}

fn create(dir: &Path) -> Result<(), StorageError> {
    files::remove_incomplete(dir)?;
    let head = Head { sequence: 1, totals: Totals::default(), parts: 0, changes: Vec::new() };
    let made = guarded(|| {
        let handles = handles(&files::creating(dir))?;
        handles.head.insert(HEAD, head.encode())?;
        handles.db.flush()?;
        Ok(())
    });
    made.map_err(|fault: Fault| fault.error(dir))?;
    files::publish(dir, head.sequence)
}

fn recover(database: &Path, files: Arc<Files>, acknowledged: u64) -> Result<Engine, Fault> {
    let handles = handles(database)?;
    let head = handles.head.get(HEAD)?.and_then(|head| Head::decode(&head));
    let head = head.ok_or_else(|| Fault::corrupt("the record of the last commit is missing or damaged"))?;
    if head.sequence < acknowledged {
        return Err(Fault::Corrupt(format!(
            "its last commit is number {}, but number {acknowledged} was acknowledged: later commits are lost",
            head.sequence
        )));
    }
    let changes = if head.parts == 0 { head.changes.clone() } else { parts(&handles, head.parts)? };
    let changes = record::decode_changes(&changes);
    let changes = changes.ok_or_else(|| Fault::corrupt("the record of the last commit is damaged"))?;
    let mut engine = Engine {
        handles: Some(handles),
        files,
        totals: head.totals,
        sequence: head.sequence,
        trees: Vec::new(),
        unsynced_bytes: 0,
    };
    engine.carry_out(&changes)?;
    engine.drop_parts()?;
    engine.trees = count(&engine)?;
    engine.flush()?;
    engine.files.sync_log()?;
    engine.files.acknowledge(engine.sequence)?;
    Ok(engine)
}

/// A failure while the database is opened drops what was opened, in this thread: the caller has a deadline.
fn handles(path: &Path) -> Result<Handles, Fault> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .flush_every_ms(None);
    let started = Instant::now();
    let db = loop {
        match config.open() {
            Err(sled::Error::Io(error)) if is_locked(&error) && started.elapsed() < SLED_LOCK_WAIT => {
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => break opened?,
        }
    };
    Ok(Handles {
        entries: db.open_tree("entries")?,
        head: db.open_tree("head")?,
        parts: db.open_tree("parts")?,
        db,
    })
}

/// sled says it in words only.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn parts(handles: &Handles, count: u32) -> Result<Vec<u8>, Fault> {
    let mut changes = Vec::new();
    for index in 0..count {
        let part = handles.parts.get(index.to_be_bytes())?;
        changes.extend_from_slice(&part.ok_or_else(|| Fault::corrupt("part of the last commit is missing"))?);
    }
    Ok(changes)
}

/// Reads everything and compares it with what the last commit said; gives the names of the trees.
fn count(engine: &Engine) -> Result<Vec<String>, Fault> {
    let mut totals = Totals::default();
    let mut trees = Vec::new();
    let (mut chunks, mut chunks_expected) = (0, 0);
    for item in &engine.handles()?.entries {
        let (place, record) = item?;
        match record::place(&place) {
            Some(Place::Name(tree)) if tree.0 == totals.usage.trees => {
                let name = std::str::from_utf8(&record);
                trees.push(name.map_err(|_| Fault::corrupt("a tree's name is damaged"))?.to_owned());
                totals.usage.trees += 1;
                totals.sum = totals.sum.wrapping_add(record::checksum(&place, &record));
            }
            Some(Place::Entry(tree, key)) => {
                let stored = check(engine, tree, key, &record)?;
                chunks_expected += stored.chunks();
                totals.add(key, &stored, record::checksum(&place, &record));
            }
            Some(Place::Chunk) => chunks += 1,
            _ => return Err(Fault::corrupt("it has a key that no commit wrote")),
        }
    }
    if totals != engine.totals || chunks != chunks_expected {
        return Err(Fault::Corrupt(format!(
            "the last commit left {} keys of {} bytes, but {} keys of {} bytes are there, or other ones",
            engine.totals.usage.keys, engine.totals.usage.bytes, totals.usage.keys, totals.usage.bytes
        )));
    }
    Ok(trees)
}

fn check<'record>(
    engine: &Engine,
    tree: TreeId,
    key: &[u8],
    record: &'record [u8],
) -> Result<Stored<'record>, Fault> {
    let stored = stored(record)?;
    if stored.chunks() > 0 {
        engine.load(tree, key, record)?;
    }
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::lock;
    use crate::limits::{Quota, Usage};
    use crate::record::{Change, PART_BYTES, entry_key, name_key};
    use crate::tree::Operation;

    const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 100, trees: 1 };
    const TREE: TreeId = TreeId(0);

    /// A store with one tree and one key, and what a commit of `value` under a second key would be.
    fn before_a_commit(dir: &Path, value: &[u8]) -> (Head, Vec<u8>) {
        let mut engine = open(dir).unwrap();
        engine.open_tree("tree", &QUOTA).unwrap();
        let first = Operation::Insert { key: b"first".to_vec(), value: b"value".to_vec() };
        engine.transaction(TREE, &[first], &QUOTA).unwrap();
        let place = entry_key(TREE, b"second");
        let record = record::record(value);
        let mut totals = engine.totals;
        totals.add(b"second", &stored(&record).unwrap(), record::checksum(&place, &record));
        let changes = record::encode_changes(&[Change { key: place, value: Some(record) }]);
        let head = Head { sequence: engine.sequence + 1, totals, parts: 0, changes: Vec::new() };
        engine.flush().unwrap();
        (head, changes)
    }

    fn second(dir: &Path) -> Option<Vec<u8>> {
        let engine = open(dir).unwrap();
        assert_eq!(engine.get(TREE, b"first").unwrap().unwrap(), b"value");
        assert!(engine.handles().unwrap().parts.is_empty());
        engine.get(TREE, b"second").unwrap()
    }

    #[test]
    fn a_commit_that_died_after_its_head_is_carried_out_at_the_next_opening() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = lock(dir.path()).unwrap();
        let (head, changes) = before_a_commit(dir.path(), b"value");
        let handles = handles(&files::database(dir.path())).unwrap();
        handles.head.insert(HEAD, Head { changes, ..head }.encode()).unwrap();
        drop(handles);
        assert_eq!(second(dir.path()).unwrap(), b"value");
        assert_eq!(second(dir.path()).unwrap(), b"value", "again");
    }

    #[test]
    fn a_commit_in_parts_counts_from_its_head_on() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = lock(dir.path()).unwrap();
        let value = vec![7; record::CHUNK_BYTES];
        let (head, changes) = before_a_commit(dir.path(), &value);
        let parts = changes.chunks(PART_BYTES / 8);
        let head = Head { parts: parts.len().try_into().unwrap(), ..head };
        let sled = handles(&files::database(dir.path())).unwrap();
        for (index, part) in (0_u32..).zip(parts.clone()) {
            sled.parts.insert(index.to_be_bytes(), part).unwrap();
        }
        drop(sled);
        assert_eq!(second(dir.path()), None, "without its head it never was");
        let sled = handles(&files::database(dir.path())).unwrap();
        for (index, part) in (0_u32..).zip(parts) {
            sled.parts.insert(index.to_be_bytes(), part).unwrap();
        }
        sled.head.insert(HEAD, head.encode()).unwrap();
        drop(sled);
        assert_eq!(second(dir.path()), Some(value));
    }

    #[test]
    fn an_entry_that_no_commit_counted_is_corruption() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = lock(dir.path()).unwrap();
        before_a_commit(dir.path(), b"");
        for (key, record) in
            [(entry_key(TREE, b"second"), record::record(b"value")), (name_key(TreeId(1)), b"t".to_vec())]
        {
            let sled = handles(&files::database(dir.path())).unwrap();
            sled.entries.insert(&key, record).unwrap();
            drop(sled);
            assert!(matches!(open(dir.path()).map(drop), Err(StorageError::Corrupt { .. })));
            let sled = handles(&files::database(dir.path())).unwrap();
            sled.entries.remove(&key).unwrap();
        }
        let usage = open(dir.path()).unwrap().totals.usage;
        assert_eq!(usage, Usage { bytes: 10, keys: 1, trees: 1 }, "the control");
    }
}
