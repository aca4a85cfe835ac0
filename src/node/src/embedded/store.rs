//! The block file of the development chain: records appended, each with its length and checksum, each on the
//! disk before anybody hears of it.
//!
//! A record that a crash cut short is dropped when the file is opened next, with a line in the log. Anything
//! else that does not check is an error naming the place: the file is never repaired by guessing. Every
//! function blocks; callers keep them off the async threads.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcoin::hashes::{Hash, sha256};
use bytes::Bytes;

use crate::error::NodeError;

/// The first bytes of the file; the number is the version of the record layout.
const MAGIC: &[u8] = b"cofferdam development chain 1\n";
const MAGIC_BYTES: u64 = 30;
const _: () = assert!(MAGIC.len() == 30);
/// Length (4), check of length and place (4), checksum of the block (8).
const RECORD_HEAD: u64 = 16;
/// No block is larger: its weight is limited to 4 000 000, and a byte weighs at least 1.
pub(super) const MAX_BLOCK_BYTES: u32 = 4_000_000;
/// What a person can do about a file that does not check.
const REMEDY: &str = "move the file away to begin a new development chain, or restore it from a copy";

/// Where a block lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    offset: u64,
    bytes: u32,
}

/// Reads blocks while another thread may be appending.
#[derive(Debug, Clone)]
pub(super) struct BlockReader {
    file: Arc<File>,
    path: PathBuf,
}

/// The file, locked against other processes, and the place of the next record.
#[derive(Debug)]
pub(super) struct BlockFile {
    reader: BlockReader,
    end: u64,
    /// Half a record may lie beyond `end`.
    torn: bool,
}

impl BlockFile {
    /// Opens or creates the file in `dir` and passes every whole block to `each`, in order of writing.
    pub(super) fn open(
        dir: &Path,
        mut each: impl FnMut(&BlockReader, Location, &[u8]) -> Result<(), String>,
    ) -> Result<Self, NodeError> {
        let path = dir.join("blocks.dat");
        let at = |offset, error: io::Error| storage(&path, offset, error.to_string());
        std::fs::create_dir_all(dir).map_err(|error| at(0, error))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| at(0, error))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => storage(&path, 0, "another process is using this chain".to_owned()),
            TryLockError::Error(error) => at(0, error),
        })?;
        let size = file.metadata().map_err(|error| at(0, error))?.len();
        let reader = BlockReader { file: Arc::new(file), path: path.clone() };
        let mut blocks = Self { reader, end: 0, torn: false };
        blocks.check_magic(dir, size)?;
        blocks.replay(size, &mut each)?;
        Ok(blocks)
    }

    pub(super) fn reader(&self) -> BlockReader {
        self.reader.clone()
    }

    /// Appends one block and returns once it is on the disk. After an error the file is as before, or the
    /// next append makes it so first.
    pub(super) fn append(&mut self, block: &[u8]) -> Result<Location, NodeError> {
        let bytes = u32::try_from(block.len()).ok().filter(|bytes| (1..=MAX_BLOCK_BYTES).contains(bytes));
        let bytes =
            bytes.ok_or_else(|| self.error(self.end, format!("{} bytes are no block", block.len())))?;
        let mut record = Vec::with_capacity(block.len() + 16);
        record.extend_from_slice(&bytes.to_le_bytes());
        record.extend_from_slice(&head_check(bytes, self.end));
        record.extend_from_slice(&body_check(block));
        record.extend_from_slice(block);
        self.cut_torn().map_err(|error| {
            self.error(self.end, format!("cut off a record left unfinished before: {error}"))
        })?;
        let file = &self.reader.file;
        if let Err(error) = file.write_all_at(&record, self.end).and_then(|()| file.sync_data()) {
            self.torn = true;
            let note = match self.cut_torn() {
                Ok(()) => "",
                Err(_later) => ", and the unfinished record could not be cut off",
            };
            return Err(self.error(self.end, format!("append a block: {error}{note} (is the disk full?)")));
        }
        let location = Location { offset: self.end + RECORD_HEAD, bytes };
        self.end = location.offset + u64::from(bytes);
        Ok(location)
    }

    /// Cuts off what a failed append left: under a shorter record its end would pass for damage.
    fn cut_torn(&mut self) -> io::Result<()> {
        if self.torn {
            self.reader.file.set_len(self.end)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Makes sure the file is one of ours, or makes it one.
    fn check_magic(&mut self, dir: &Path, size: u64) -> Result<(), NodeError> {
        let present = self.reader.bytes_at(0, size.min(MAGIC_BYTES))?;
        if present != MAGIC {
            // A crash while the file was made leaves a part of the magic, or zeros in its place.
            if !(MAGIC.starts_with(&present) || size <= MAGIC_BYTES && present.iter().all(|byte| *byte == 0))
            {
                return Err(self.error(0, format!("this is no block file of a development chain: {REMEDY}")));
            }
            let file = &self.reader.file;
            file.write_all_at(MAGIC, 0)
                .and_then(|()| file.sync_all())
                .and_then(|()| File::open(dir)?.sync_all())
                .map_err(|error| self.error(0, format!("begin the file: {error}")))?;
        }
        self.end = MAGIC_BYTES;
        Ok(())
    }

    fn replay(
        &mut self,
        size: u64,
        each: &mut impl FnMut(&BlockReader, Location, &[u8]) -> Result<(), String>,
    ) -> Result<(), NodeError> {
        while self.end < size {
            let Some((location, block)) = self.record_at(self.end, size)? else {
                tracing::warn!(
                    file = %self.reader.path.display(), offset = self.end, bytes = size - self.end,
                    "the last record was cut short by a crash and is dropped"
                );
                let cut = self.reader.file.set_len(self.end).and_then(|()| self.reader.file.sync_all());
                return cut.map_err(|error| self.error(self.end, format!("drop the last record: {error}")));
            };
            each(&self.reader, location, &block)
                .map_err(|reason| self.error(self.end, format!("{reason}: {REMEDY}")))?;
            self.end = location.offset + u64::from(location.bytes);
        }
        Ok(())
    }

    /// The record at `offset`; `None` where a crash during its writing explains what is there.
    fn record_at(&self, offset: u64, size: u64) -> Result<Option<(Location, Vec<u8>)>, NodeError> {
        let head = self.reader.bytes_at(offset, (size - offset).min(RECORD_HEAD))?;
        let Some((bytes, checks)) = head.split_first_chunk::<4>().filter(|(_, rest)| rest.len() == 12) else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*bytes);
        if !checks.starts_with(&head_check(bytes, offset)) || bytes > MAX_BLOCK_BYTES {
            // The size of a file may reach the disk before its content, which then reads as zeros.
            if self.zeros_from(offset, size)? {
                return Ok(None);
            }
            return Err(self.error(offset, format!("the length of the record is damaged: {REMEDY}")));
        }
        let location = Location { offset: offset + RECORD_HEAD, bytes };
        let end = location.offset + u64::from(bytes);
        if end > size {
            return Ok(None);
        }
        let block = self.reader.bytes_at(location.offset, u64::from(bytes))?;
        if checks.ends_with(&body_check(&block)) {
            return Ok(Some((location, block)));
        }
        if end == size {
            return Ok(None);
        }
        Err(self.error(offset, format!("the block in the record is damaged: {REMEDY}")))
    }

    /// Whether only zeros follow; a torn record of zeros is never longer than one record.
    fn zeros_from(&self, offset: u64, size: u64) -> Result<bool, NodeError> {
        let rest = size - offset;
        if rest > RECORD_HEAD + u64::from(MAX_BLOCK_BYTES) {
            return Ok(false);
        }
        Ok(self.reader.bytes_at(offset, rest)?.iter().all(|byte| *byte == 0))
    }

    fn error(&self, offset: u64, reason: String) -> NodeError {
        storage(&self.reader.path, offset, reason)
    }
}

impl BlockReader {
    /// A block's consensus bytes, as they were appended.
    pub(super) fn block(&self, location: Location) -> Result<Bytes, NodeError> {
        self.bytes_at(location.offset, u64::from(location.bytes)).map(Bytes::from)
    }

    fn bytes_at(&self, offset: u64, count: u64) -> Result<Vec<u8>, NodeError> {
        let count = usize::try_from(count).map_err(|error| storage(&self.path, offset, error.to_string()))?;
        let mut bytes = vec![0; count];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| storage(&self.path, offset, format!("read {count} bytes: {error}")))?;
        Ok(bytes)
    }
}

fn storage(path: &Path, offset: u64, reason: String) -> NodeError {
    NodeError::Storage { path: path.to_owned(), offset, reason }
}

/// Guards the length apart from the block: a damaged length must not pass for a torn tail.
fn head_check(bytes: u32, offset: u64) -> [u8; 4] {
    let mut input = [0; 12];
    let (length, place) = input.split_at_mut(4);
    length.copy_from_slice(&bytes.to_le_bytes());
    place.copy_from_slice(&offset.to_le_bytes());
    first(sha256::Hash::hash(&input))
}

fn body_check(block: &[u8]) -> [u8; 8] {
    first(sha256::Hash::hash(block))
}

fn first<const N: usize>(hash: sha256::Hash) -> [u8; N] {
    hash.to_byte_array().first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
