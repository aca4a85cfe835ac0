//! Power loss, as far as it can be acted out in files: of what was written since the last acknowledgement, any pages may be
//! on disk and any may be missing. Never tests the disk itself, nor what a file system does with its own structures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_storage::{Operation, Quota, StorageError, Store};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

const QUOTA: Quota = Quota { bytes: 1 << 30, keys: 1 << 20, trees: 4 };
const SECTOR: usize = 4096;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

fn batch(round: u8, keys: u8, length: usize) -> Vec<Operation> {
    (0..keys).map(|key| Operation::Insert { key: vec![key], value: vec![round; length] }).collect()
}

fn read(dir: &Path) -> Result<Entries, StorageError> {
    let store = Store::open(dir, QUOTA)?;
    let tree = store.open_tree("tree")?;
    Ok(store.page(tree, None, None, usize::MAX, usize::MAX)?.entries)
}

/// `old` with some of the sectors of `new`.
fn mixed(old: &[u8], new: &[u8], random: &mut TestRng, share: f64) -> Vec<u8> {
    let mut disk = old.to_vec();
    disk.resize(new.len().max(old.len()), 0);
    for (sector, written) in disk.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
        if random.random_bool(share) {
            sector[..written.len()].copy_from_slice(written);
        }
    }
    disk
}

/// All files of the database as they are now, to another place.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs")).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_write_whose_pages_reached_the_disk_only_in_part_is_whole_or_absent_and_no_earlier_one_is_lost() {
    let dir = tempfile::tempdir_in(place()).unwrap();
    let log = dir.path().join("database/db");
    let store = Store::open(dir.path(), QUOTA).unwrap();
    let tree = store.open_tree("tree").unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut old = Entries::new();
    let (mut absent, mut whole) = (0, 0);
    for round in 1..=60 {
        // What is on disk: all that was acknowledged.
        let disk = tempfile::tempdir_in(place()).unwrap();
        copy(&dir.path().join("database"), &disk.path().join("database"));
        let before = fs::read(&log).unwrap();
        let operations =
            batch(round, [1, 8, 40][usize::from(round % 3)], [50, 3000, 20_000][usize::from(round / 3 % 3)]);
        // What is in the page cache at some moment of the next write.
        let during = std::thread::scope(|scope| {
            let writing = scope.spawn(|| store.transaction(tree, &operations).unwrap());
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
            let during = fs::read(&log).unwrap();
            writing.join().unwrap();
            during
        });
        let new = store.page(tree, None, None, usize::MAX, usize::MAX).unwrap().entries;
        let share = random.random_range(0.0..1.0);
        fs::write(disk.path().join("database/db"), mixed(&before, &during, &mut random, share)).unwrap();
        let found = read(disk.path()).unwrap();
        absent += u32::from(found == old);
        whole += u32::from(found == new && new != old);
        assert!(found == old || found == new, "round {round}: torn, or an acknowledged write is lost");
        old = new;
    }
    println!("{absent} absent, {whole} whole");
    assert!(absent > 0 && whole > 0, "the control: {absent} absent, {whole} whole");
}
