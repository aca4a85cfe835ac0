//! The newest changes of the chain and their cursors, on the disk: what a core that starts again goes on from.
//!
//! A change is written and synced before it is published, as many at a time as have come, so that thousands of
//! blocks at once take a sync for some hundreds of them. Whenever the core dies, or the power fails, a change is
//! either in the file under the cursor that modules may have seen, or no module has seen it. The file is made
//! anew by an atomic rename, at each start and when it has grown. It never keeps the core from running: what
//! cannot be read is put aside and what cannot be written is told to the operator, and modules hear that events
//! are missing.

pub(super) mod format;
pub(super) mod read;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cofferdam_node::ChainPoint;

use self::format::Begin;
use super::hub::KEPT_OF_CHAIN;

/// The directory, below the core's state directory.
pub(super) const DIRECTORY: &str = "events";
/// The file, in its directory.
pub(super) const FILE: &str = "journal";
/// Where a file that cannot be read is put aside; one at most is kept.
const DAMAGED: &str = "journal.damaged";
/// The file while it is made anew.
const UNFINISHED: &str = "journal.new";

/// Records behind which the file is made anew, a megabyte at most: one in a thousand blocks pays for it.
const RECORDS_IN_FILE: usize = 2 * KEPT_OF_CHAIN;

/// One change of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The event's cursor.
    pub(super) cursor: u64,
    /// The block on top after it, where that is known.
    pub(super) point: Option<ChainPoint>,
    /// The event as it is sent.
    pub(super) frame: Bytes,
}

/// An open journal. Every call blocks on the disk.
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    /// None if the last write failed: then the next one makes the file anew.
    file: Option<File>,
    /// Records in the file.
    in_file: usize,
    begin: Begin,
    point: Option<ChainPoint>,
    kept: VecDeque<Record>,
}

impl Journal {
    /// Makes the file anew, with what is kept of an earlier one.
    ///
    /// # Errors
    /// Why the disk did not take it. The journal can be used all the same, and tries again with each change.
    pub(super) fn start(
        dir: PathBuf,
        begin: Begin,
        point: Option<ChainPoint>,
        kept: Vec<Record>,
    ) -> (Self, io::Result<()>) {
        let mut journal = Self { dir, file: None, in_file: 0, begin, point, kept: kept.into() };
        let written = journal.rewrite();
        (journal, written)
    }

    /// Writes changes, all of which are on the disk when it returns.
    ///
    /// # Errors
    /// Why the disk did not take them. They are kept in memory, and are in the file as soon as one succeeds.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let Some(last) = records.last() else { return Ok(()) };
        self.point = last.point;
        for record in records {
            if self.kept.len() >= KEPT_OF_CHAIN
                && let Some(oldest) = self.kept.pop_front()
            {
                self.begin.complete_after = oldest.cursor;
            }
            self.kept.push_back(record.clone());
        }
        self.in_file = self.in_file.saturating_add(records.len());
        if self.in_file > RECORDS_IN_FILE {
            return self.rewrite();
        }
        self.write(&records.iter().flat_map(format::event).collect::<Vec<u8>>())
    }

    /// Notes where the chain stands when nothing has changed.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(super) fn stand_at(&mut self, point: ChainPoint) -> io::Result<()> {
        self.point = Some(point);
        self.write(&format::standing(point))
    }

    /// Adds to the file. A write that failed may have left half a record, so that nothing may follow it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(mut file) = self.file.take() else { return self.rewrite() };
        file.write_all(bytes)?;
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file = None;
        fs::create_dir_all(&self.dir)?;
        let (unfinished, place) = (self.dir.join(UNFINISHED), self.dir.join(FILE));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
        let mut bytes = format::begin(&self.begin, self.point);
        bytes.extend(self.kept.iter().flat_map(format::event));
        // The point may be known where that of the last record is not.
        bytes.extend(self.point.map(format::standing).unwrap_or_default());
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &place)?;
        File::open(&self.dir)?.sync_all()?;
        self.in_file = self.kept.len();
        self.file = Some(file);
        Ok(())
    }
}

/// Puts a file that cannot be read where the next one does not overwrite it.
///
/// # Errors
/// Why it could not be moved.
pub(super) fn put_aside(dir: &Path) -> io::Result<()> {
    fs::rename(dir.join(FILE), dir.join(DAMAGED))
}

#[cfg(test)]
mod tests;
