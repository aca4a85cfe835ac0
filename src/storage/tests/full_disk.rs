//! A disk that fills up while threads write: errors, and nothing that was acknowledged is lost. Needs root, for a small
//! tmpfs; never fills a real disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use cofferdam_storage::{Operation, Quota, StorageError, Store, TreeId};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 1 << 20, trees: 4 };
const BALLAST_BYTES: usize = 24 << 20;
/// Only a hang takes so long.
const DEADLINE: Duration = Duration::from_secs(120);

fn root_for(claim: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    println!("SKIPPED: {claim}: run the tests as root");
    assert_ne!(std::env::var("REQUIRE_KERNEL").as_deref(), Ok("1"), "{claim}: not run as root");
    false
}

/// A small file system; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={megabytes}m");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
        Self(dir)
    }

    fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }

    /// What is removed to make room.
    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap();
    }
}

fn batch(thread: u8, number: u32) -> Vec<Operation> {
    let key = |part: u8| [&[thread, part][..], &number.to_be_bytes()].concat();
    let value = vec![thread; if number.is_multiple_of(10) { 50_000 } else { 2_000 }];
    (0..4).map(|part| Operation::Insert { key: key(part), value: value.clone() }).collect()
}

/// Writes until there is an error; gives it, and how many batches were acknowledged.
fn fill(store: &Store, tree: TreeId, thread: u8) -> (u32, StorageError) {
    let mut number = 0;
    loop {
        match store.transaction(tree, &batch(thread, number)) {
            Ok(()) => number += 1,
            Err(error) => return (number, error),
        }
    }
}

fn fill_with_threads(store: &Store, tree: TreeId) -> Vec<(u32, StorageError)> {
    let (done, results) = channel();
    for thread in 0..4 {
        let (store, done) = (store.clone(), done.clone());
        std::thread::spawn(move || done.send((thread, fill(&store, tree, thread))));
    }
    let mut filled: Vec<_> = (0..4).map(|_| results.recv_timeout(DEADLINE).expect("no hang")).collect();
    filled.sort_by_key(|(thread, _)| *thread);
    filled.into_iter().map(|(_, result)| result).collect()
}

fn assert_every_batch_is_whole(dir: &Path, acknowledged: &[u32]) {
    let store = Store::open(dir, QUOTA).unwrap();
    let tree = store.open_tree("tree").unwrap();
    for (thread, batches) in (0..).zip(acknowledged) {
        for number in 0..=*batches {
            let operations = batch(thread, number);
            let found = operations.iter().filter(|operation| is_there(&store, tree, operation)).count();
            // One more than was acknowledged may be there: whole.
            assert!(
                found == 4 || (found == 0 && number == *batches),
                "{thread}: {number} of {batches}: {found}"
            );
        }
    }
    store.insert(tree, b"after", b"value").unwrap();
}

fn is_there(store: &Store, tree: TreeId, operation: &Operation) -> bool {
    let Operation::Insert { key, value } = operation else { unreachable!("only inserts") };
    store.get(tree, key).unwrap().as_ref() == Some(value)
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing_acknowledged() {
    if !root_for("a full disk loses nothing acknowledged") {
        return;
    }
    for megabytes in [60, 63, 71] {
        let disk = SmallDisk::new(megabytes);
        fs::write(disk.ballast(), vec![1; BALLAST_BYTES]).unwrap();
        let store = Store::open(&disk.store(), QUOTA).unwrap();
        let tree = store.open_tree("tree").unwrap();
        let results = fill_with_threads(&store, tree);
        for (_, error) in &results {
            assert!(matches!(error, StorageError::DiskFull { .. }), "{error}");
        }
        assert!(
            matches!(store.get(tree, b"key"), Err(StorageError::DiskFull { .. })),
            "closed until reopened"
        );
        drop(store);
        fs::remove_file(disk.ballast()).unwrap();
        let acknowledged: Vec<_> = results.into_iter().map(|(batches, _)| batches).collect();
        assert!(
            acknowledged.iter().sum::<u32>() > 100,
            "the control: there was room at first: {acknowledged:?}"
        );
        assert_every_batch_is_whole(&disk.store(), &acknowledged);
    }
}

#[test]
fn opening_on_a_full_disk_is_an_error_and_works_when_there_is_room() {
    if !root_for("a store can't be made on a full disk") {
        return;
    }
    let disk = SmallDisk::new(32);
    fs::write(disk.ballast(), vec![1; 31 << 20]).unwrap();
    let refused = Store::open(&disk.store(), QUOTA);
    assert!(matches!(refused, Err(StorageError::DiskFull { .. })), "{refused:?}");
    fs::remove_file(disk.ballast()).unwrap();
    Store::open(&disk.store(), QUOTA).unwrap();
}
