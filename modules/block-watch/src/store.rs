//! The summary files: `<height>-<hash>.txt`, and `<height>-<hash>.disconnected.txt` for a block that is not in
//! the best chain any more.
//!
//! A file is whole or not there: it is written under another name, flushed, and renamed. No more than a given
//! number is kept. Files with other names are never touched, and nothing outside the data directory is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cofferdam_sdk::BlockHash;

use crate::summary::Summary;

/// What a summary is called until it is whole. There is one writer, so one name is enough; what a crash leaves
/// behind is overwritten by the next summary.
const UNFINISHED: &str = "unfinished.tmp";

const SUFFIX: &str = ".txt";
const DISCONNECTED: &str = ".disconnected";

/// What was being done to which file when it went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}{hint}", path = path.display(), hint = hint(source))]
pub(crate) struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kind = error.kind();
    if matches!(kind, StorageFull | QuotaExceeded) {
        " (the disk or the module's quota is full: free space, or set keep lower)"
    } else if matches!(kind, PermissionDenied | ReadOnlyFilesystem) {
        " (the data directory must be writable by the module)"
    } else {
        ""
    }
}

/// One summary file. Sorted by height, so that the first ones are the first to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    height: u32,
    hash: BlockHash,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Disconnected,
    Connected,
}

/// The files of the data directory, and how many of them may be there.
#[derive(Debug)]
pub(crate) struct SummaryStore {
    directory: PathBuf,
    keep: NonZeroUsize,
    entries: BTreeSet<Entry>,
}

impl SummaryStore {
    /// Takes over the summaries that are there and deletes those that are too many. If that fails the store is
    /// empty as far as it knows, and still usable; the error is for the log.
    pub(crate) fn open(directory: &Path, keep: NonZeroUsize) -> (Self, Option<StoreError>) {
        let mut store = Self { directory: directory.to_owned(), keep, entries: BTreeSet::new() };
        let complaint = store.take_over().and_then(|()| store.delete_surplus()).err();
        (store, complaint)
    }

    /// Writes the summary of a connected block, and deletes the lowest one if there are too many.
    pub(crate) fn write(&mut self, summary: &Summary) -> Result<(), StoreError> {
        let connected = Entry { height: summary.height, hash: summary.hash, state: State::Connected };
        let unfinished = self.directory.join(UNFINISHED);
        let written = write_and_flush(&unfinished, &summary.to_string());
        if let Err(source) = written {
            // Half a file would hold the space that the next summary needs. If it cannot be deleted either,
            // the first error is the one to tell.
            let _second_error = fs::remove_file(&unfinished);
            return Err(StoreError { action: "write", path: unfinished, source });
        }
        self.rename(&unfinished, connected)?;
        self.delete(Entry { state: State::Disconnected, ..connected })?;
        self.delete_surplus()
    }

    /// Marks the summary of a block that was disconnected; says whether there was one.
    pub(crate) fn mark_disconnected(&mut self, hash: BlockHash, height: u32) -> Result<bool, StoreError> {
        let connected = Entry { height, hash, state: State::Connected };
        if !self.entries.contains(&connected) {
            return Ok(false);
        }
        self.rename(&self.path(connected), Entry { state: State::Disconnected, ..connected })?;
        self.entries.remove(&connected);
        Ok(true)
    }

    /// How many summaries are kept.
    pub(crate) fn keep(&self) -> usize {
        self.keep.get()
    }

    /// Whether there is a summary of this block, which is connected as far as is known.
    pub(crate) fn has_connected(&self, hash: BlockHash, height: u32) -> bool {
        self.entries.contains(&Entry { height, hash, state: State::Connected })
    }

    /// The blocks that are connected as far as is known, the highest first.
    pub(crate) fn connected_from_the_top(&self) -> Vec<(u32, BlockHash)> {
        let connected = self.entries.iter().rev().filter(|entry| entry.state == State::Connected);
        connected.map(|entry| (entry.height, entry.hash)).collect()
    }

    fn take_over(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError { action: "list", path: self.directory.clone(), source };
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let name = file.map_err(failed)?.file_name();
            self.entries.extend(name.to_str().and_then(Entry::from_name));
        }
        Ok(())
    }

    fn delete_surplus(&mut self) -> Result<(), StoreError> {
        while self.entries.len() > self.keep.get()
            && let Some(lowest) = self.entries.first().copied()
        {
            self.delete(lowest)?;
        }
        Ok(())
    }

    fn delete(&mut self, entry: Entry) -> Result<(), StoreError> {
        if !self.entries.contains(&entry) {
            return Ok(());
        }
        let path = self.path(entry);
        match fs::remove_file(&path) {
            // Somebody else deleted it: what was wanted is so.
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError { action: "delete", path, source })
            }
            _ => {
                self.entries.remove(&entry);
                Ok(())
            }
        }
    }

    fn rename(&mut self, from: &Path, entry: Entry) -> Result<(), StoreError> {
        let path = self.path(entry);
        fs::rename(from, &path).map_err(|source| StoreError { action: "rename to", path, source })?;
        self.entries.insert(entry);
        Ok(())
    }

    fn path(&self, entry: Entry) -> PathBuf {
        self.directory.join(entry.to_name())
    }
}

impl Entry {
    fn to_name(self) -> String {
        let mark = match self.state {
            State::Connected => "",
            State::Disconnected => DISCONNECTED,
        };
        format!("{}-{}{mark}{SUFFIX}", self.height, self.hash)
    }

    /// The entry with this file name, if it is exactly what `to_name` gives.
    fn from_name(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(SUFFIX)?;
        let (stem, state) = match stem.strip_suffix(DISCONNECTED) {
            Some(stem) => (stem, State::Disconnected),
            None => (stem, State::Connected),
        };
        let (height, hash) = stem.split_once('-')?;
        let entry = Self { height: height.parse().ok()?, hash: hash.parse().ok()?, state };
        (entry.to_name() == name).then_some(entry)
    }
}

fn write_and_flush(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    // Without it, a crash of the machine can leave the new name with no content.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_sdk::bitcoin::{Block, Network, constants::genesis_block};
    use tempfile::TempDir;

    fn summary(height: u32) -> Summary {
        let mut block: Block = genesis_block(Network::Regtest);
        block.header.nonce = height;
        Summary::of(&block, height)
    }

    fn store(keep: usize) -> (TempDir, SummaryStore) {
        let directory = tempfile::tempdir().unwrap();
        let (store, complaint) = SummaryStore::open(directory.path(), NonZeroUsize::new(keep).unwrap());
        assert!(complaint.is_none());
        (directory, store)
    }

    fn names(directory: &TempDir) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_summary_is_one_file_with_its_height_and_hash_as_name() {
        let (directory, mut store) = store(10);
        let summary = summary(5);
        store.write(&summary).unwrap();
        let name = format!("5-{}.txt", summary.hash);
        assert_eq!(fs::read_to_string(directory.path().join(&name)).unwrap(), summary.to_string());
        assert_eq!(names(&directory), [name]);
    }

    #[test]
    fn only_so_many_files_are_kept_and_the_lowest_block_goes_first() {
        let (directory, mut store) = store(2);
        [9, 10, 11].iter().for_each(|height| store.write(&summary(*height)).unwrap());
        let expected = [10, 11].map(|height| format!("{height}-{}.txt", summary(height).hash));
        assert_eq!(names(&directory), expected);
    }

    #[test]
    fn the_summary_of_a_disconnected_block_is_marked_and_unmarked_when_it_comes_back() {
        let (directory, mut store) = store(10);
        let summary = summary(5);
        store.write(&summary).unwrap();
        assert!(store.mark_disconnected(summary.hash, 5).unwrap());
        assert_eq!(names(&directory), [format!("5-{}.disconnected.txt", summary.hash)]);
        store.write(&summary).unwrap();
        assert_eq!(names(&directory), [format!("5-{}.txt", summary.hash)]);
    }

    #[test]
    fn a_disconnected_block_without_summary_is_no_error() {
        let (_directory, mut store) = store(10);
        assert!(!store.mark_disconnected(BlockHash::from_bytes([1; 32]), 5).unwrap());
    }

    #[test]
    fn files_from_an_earlier_run_count_and_other_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (mut first, _) = SummaryStore::open(directory.path(), NonZeroUsize::new(10).unwrap());
        [1, 2, 3].iter().for_each(|height| first.write(&summary(*height)).unwrap());
        fs::write(directory.path().join("0-notes.txt"), "mine").unwrap();

        let (_second, complaint) = SummaryStore::open(directory.path(), NonZeroUsize::MIN);
        assert!(complaint.is_none());
        assert_eq!(names(&directory), ["0-notes.txt".to_owned(), format!("3-{}.txt", summary(3).hash)]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_with_its_path_and_every_write_too() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let (mut store, complaint) = SummaryStore::open(&gone, NonZeroUsize::MIN);
        assert!(complaint.unwrap().to_string().contains("gone"));
        assert!(store.write(&summary(1)).unwrap_err().to_string().starts_with("write "));
    }

    #[test]
    fn a_full_disk_is_told_with_what_to_do() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = StoreError { action: "write", path: "/data/x".into(), source };
        assert!(error.to_string().contains("set keep lower"));
    }
}
