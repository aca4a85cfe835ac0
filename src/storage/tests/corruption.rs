//! Files that somebody else changed: the store gives an error that says what to do, or the right data; never other data, a
//! panic, or no answer. Never tests changes while the store is open.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use cofferdam_storage::{Operation, Quota, StorageError, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 1 << 20, trees: 4 };
/// Longer than the store's own deadline for opening.
const DEADLINE: Duration = Duration::from_secs(150);

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// What is done to a file. Places are shares of its length.
#[derive(Debug, Clone)]
enum Damage {
    Flip { at: f64, bits: u8 },
    Overwrite { at: f64, bytes: Vec<u8> },
    Truncate { at: f64 },
    Append { bytes: Vec<u8> },
    Remove,
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..5000);
    prop_oneof![
        4 => (0.0..1.0, 1..=255_u8).prop_map(|(at, bits)| Damage::Flip { at, bits }),
        3 => (0.0..1.0, bytes()).prop_map(|(at, bytes)| Damage::Overwrite { at, bytes }),
        1 => (0.0..1.0, 1..5000_usize).prop_map(|(at, length)| Damage::Overwrite { at, bytes: vec![0; length] }),
        2 => (0.0..1.0_f64).prop_map(|at| Damage::Truncate { at }),
        1 => bytes().prop_map(|bytes| Damage::Append { bytes }),
        1 => Just(Damage::Remove),
    ]
}

/// sled's file is mostly empty: places in it are shares of its used part.
fn used_length(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let empty = |byte: &&u8| **byte == 0 || **byte == bytes[bytes.len() - 1];
    u64::try_from(bytes.len() - bytes.iter().rev().take_while(empty).count()).unwrap().max(1)
}

#[expect(clippy::as_conversions, reason = "a place in a file, roughly")]
fn harm(path: &Path, damage: &Damage) {
    let place = |at: f64| ((used_length(path) as f64) * at) as u64;
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    match damage {
        Damage::Flip { at, bits } => {
            let mut byte = [0];
            let _ = file.read_at(&mut byte, place(*at)).unwrap();
            file.write_all_at(&[byte[0] ^ bits], place(*at)).unwrap();
        }
        Damage::Overwrite { at, bytes } => file.write_all_at(bytes, place(*at)).unwrap(),
        Damage::Truncate { at } => file.set_len(place(*at)).unwrap(),
        Damage::Append { bytes } => file.write_all_at(bytes, file.metadata().unwrap().len()).unwrap(),
        Damage::Remove => fs::remove_file(path).unwrap(),
    }
}

/// Small values, large ones, rewritten and removed ones, in several lives of the store.
fn fill(dir: &Path) -> Entries {
    for life in 0..3_u8 {
        let store = Store::open(dir, QUOTA).unwrap();
        let tree = store.open_tree("tree").unwrap();
        for number in 0..60_u8 {
            let value = vec![life; if number % 20 == 0 { 70_000 } else { 100 }];
            store.insert(tree, &[number / 2 + life * 20], &value).unwrap();
        }
        let batch: Vec<_> = (0..100_u8).map(|number| vec![life, number]).collect();
        let inserts: Vec<_> =
            batch.iter().map(|key| Operation::Insert { key: key.clone(), value: key.clone() }).collect();
        store.transaction(tree, &inserts).unwrap();
        let removes: Vec<_> = batch[..50].iter().map(|key| Operation::Remove { key: key.clone() }).collect();
        store.transaction(tree, &removes).unwrap();
    }
    read(dir).unwrap()
}

fn read(dir: &Path) -> Result<Entries, StorageError> {
    let store = Store::open(dir, QUOTA)?;
    let tree = store.open_tree("tree")?;
    let entries = store.page(tree, None, None, usize::MAX, usize::MAX)?.entries;
    // It can still be written to, and says what it holds.
    store.insert(tree, b"new", b"value")?;
    assert!(store.remove(tree, b"new")?);
    Ok(entries)
}

fn read_with_deadline(dir: &Path) -> Result<Entries, StorageError> {
    let (done, answer) = channel();
    let dir = dir.to_owned();
    let reader = std::thread::spawn(move || done.send(read(&dir)));
    let answer = answer.recv_timeout(DEADLINE).expect("an answer, not a panic and not a hang");
    reader.join().unwrap().unwrap();
    answer
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs")).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

#[test]
fn a_damaged_store_gives_an_error_or_the_right_data_and_harms_no_other() {
    let sound = tempfile::tempdir_in(place()).unwrap();
    let entries = fill(sound.path());
    let names: Vec<_> = files(&sound.path().join("database"))
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    let file = prop_oneof![3 => Just("db".into()), 2 => proptest::sample::select(names)];
    let counts = RefCell::new((0, 0));
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(file, damage()), |(file, damage)| {
        let dir = tempfile::tempdir_in(place()).unwrap();
        copy(&sound.path().join("database"), &dir.path().join("database"));
        harm(&dir.path().join("database").join(&file), &damage);
        let mut counts = counts.borrow_mut();
        match read_with_deadline(dir.path()) {
            Ok(found) => {
                prop_assert!(found == entries, "other data: {} entries, not {}", found.len(), entries.len());
                counts.1 += 1;
            }
            Err(StorageError::Corrupt { .. }) => counts.0 += 1,
            Err(other) => prop_assert!(false, "{}", other),
        }
        Ok(())
    });
    outcome.unwrap();
    let (errors, same) = counts.into_inner();
    println!("{errors} errors, {same} times the right data");
    assert!(errors > 0, "nothing was damaged");
    let copied = tempfile::tempdir_in(place()).unwrap();
    copy(&sound.path().join("database"), &copied.path().join("database"));
    assert_eq!(read(copied.path()).unwrap(), entries, "the control: a copy that nobody harmed");
    assert_eq!(read(sound.path()).unwrap(), entries, "a sound store in the same process");
}

/// Each write is found missing, not only one that sled would miss: it takes a torn end of its log for a crash.
#[test]
fn a_log_that_lost_its_end_is_corrupt_and_stays_so() {
    let dir = tempfile::tempdir_in(place()).unwrap();
    let store = Store::open(dir.path(), QUOTA).unwrap();
    let tree = store.open_tree("tree").unwrap();
    store.insert(tree, b"first", b"value").unwrap();
    let log = dir.path().join("database/db");
    let before = fs::read(&log).unwrap();
    store.insert(tree, b"second", b"value").unwrap();
    drop(store);
    fs::write(&log, before).unwrap();
    for _ in 0..2 {
        let error = Store::open(dir.path(), QUOTA).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
        assert!(
            error.to_string().contains("restore the directory from a backup, or move it away"),
            "{error}"
        );
    }
    fs::rename(dir.path().join("database"), dir.path().join("away")).unwrap();
    assert!(Store::open(dir.path(), QUOTA).unwrap().trees().unwrap().is_empty(), "the module begins anew");
}

#[test]
fn what_a_crash_leaves_of_a_new_database_or_a_snapshot_is_removed() {
    let dir = tempfile::tempdir_in(place()).unwrap();
    fs::create_dir_all(dir.path().join("creating")).unwrap();
    fs::write(dir.path().join("creating/conf"), "half").unwrap();
    let store = Store::open(dir.path(), QUOTA).unwrap();
    store.open_tree("tree").unwrap();
    drop(store);
    fs::write(dir.path().join("database/snap.FFFFFFFFFFFFFFFF.generating"), "half").unwrap();
    let store = Store::open(dir.path(), QUOTA).unwrap();
    assert_eq!(store.trees().unwrap().len(), 1);
}
