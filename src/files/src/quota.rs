//! How much a data directory holds, and whether more may be written. It never writes anything, and never trusts what
//! the host itself wrote to be all there is: the module writes to the directory directly.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::fs::Stat;

use crate::walk::{self, Sweep};
use crate::{FilesError, Kind, MAX_QUOTA_FILES, allocated};

/// How much a data directory may hold before the host refuses to write more into it.
///
/// Counted is the room on the disk (`st_blocks`), so a sparse file counts by what it takes and not by its length, and
/// every name: files, directories, links and whatever else. A file with two names counts twice.
///
/// What this guarantees: a write by the host is refused if the directory, counted by looking at all of it, holds too
/// much. The count is made anew when it is older than a second (for a directory that is slow to count twenty times
/// what counting took, at most half a minute), and when the host has written more than an eighth of the quota since, or
/// more than a MiB where that is larger. Between counts the host adds what it writes and takes off what its own calls
/// remove. So its own writes never bring the directory above the quota by more than that eighth or MiB and one write,
/// even if the module makes it misjudge what it removes; nobody but the module could make it.
///
/// It counts what the module wrote by its own system calls and does not stop them: that does the kernel's project quota, where
/// the launcher could set one.
///
/// A directory deeper than [`crate::MAX_DEPTH`], or one that the host may not read, cannot be counted: as long as there
/// is one nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The room on the disk, in bytes.
    pub bytes: u64,
    /// The number of names; at most [`MAX_QUOTA_FILES`].
    pub files: u64,
}

/// What a data directory holds. Where it holds more files than the quota, counting ended there: it may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The room on the disk, in bytes.
    pub bytes: u64,
    /// The number of names.
    pub files: u64,
}

/// What a call adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// What a call removes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Released {
    bytes: u64,
    files: u64,
}

/// The count, and how far it can still be trusted.
pub(crate) struct Ledger {
    quota: Quota,
    count: Option<Count>,
}

struct Count {
    /// What was found, plus and minus what the host did since.
    usage: Usage,
    /// All that the host added since, whatever it removed.
    added: Usage,
    ended: Instant,
    took: Duration,
}

/// How long a count allows writes.
const FRESH: Duration = Duration::from_secs(1);

/// The longest that a count allows writes, however long it took to make.
const STALE: Duration = Duration::from_secs(30);

/// Counting takes at most one part in this many of a busy module's time.
const REST: u32 = 20;

/// The room that the host may use between two counts is this part of the quota, and at least a MiB.
const SLACK_PART: u64 = 8;
const MIN_SLACK_BYTES: u64 = 1024 * 1024;
const MIN_SLACK_FILES: u64 = 64;

/// What a file takes at most beyond its length: the rest of its last block, on file systems with ordinary blocks.
const BLOCK_BYTES: u64 = 4096;

impl Needs {
    /// A file of so many bytes.
    pub(crate) fn file(bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Self { bytes: bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX), files: 1 }
    }

    /// An empty directory.
    pub(crate) fn directory() -> Self {
        Self { bytes: BLOCK_BYTES, files: 1 }
    }
}

impl Released {
    /// What goes with a name: the room only if it was the file's last one.
    pub(crate) fn by(stat: &Stat) -> Self {
        let is_last = Kind::of(stat) != Kind::Directory && stat.st_nlink <= 1;
        Self { bytes: if is_last { allocated(stat) } else { 0 }, files: 1 }
    }
}

impl Ledger {
    pub(crate) fn new(quota: Quota) -> Result<Self, FilesError> {
        if quota.files > MAX_QUOTA_FILES {
            return Err(FilesError::QuotaTooLarge { files: quota.files, max: MAX_QUOTA_FILES });
        }
        Ok(Self { quota, count: None })
    }

    /// Counts, and removes unfinished files on the way. A directory that cannot be counted says so when it is written to.
    pub(crate) fn sweep(&mut self, root: BorrowedFd<'_>) {
        let _counted = self.recount(root, Sweep::Unfinished);
        // What was removed is still in this count; the first write makes another.
        self.count = None;
    }

    /// What is used, from a count that still allows writes.
    pub(crate) fn usage(&mut self, root: BorrowedFd<'_>) -> Result<Usage, FilesError> {
        match self.count.as_ref().filter(|count| count.allows_writes(self.quota)) {
            Some(count) => Ok(count.usage),
            None => self.recount(root, Sweep::Nothing),
        }
    }

    /// Passes if the quota has room for this. No is said only by a count that is as new as counting allows.
    pub(crate) fn room_for(&mut self, root: BorrowedFd<'_>, needs: Needs) -> Result<(), FilesError> {
        let usage = self.usage(root)?;
        let refused = match self.quota.check(usage, needs) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        if self.count.as_ref().is_some_and(Count::just_made) {
            return Err(refused);
        }
        let usage = self.recount(root, Sweep::Nothing)?;
        self.quota.check(usage, needs)
    }

    /// The same by the last count alone: while an unfinished file exists, a new count would count it twice.
    pub(crate) fn still_room_for(&self, needs: Needs) -> Result<(), FilesError> {
        self.quota.check(self.count.as_ref().map(|count| count.usage).unwrap_or_default(), needs)
    }

    /// Notes what a call has done.
    pub(crate) fn record(&mut self, added: Needs, released: Released) {
        if let Some(count) = &mut self.count {
            count.added = count.added.plus(added);
            count.usage = count.usage.plus(added).minus(released);
        }
    }

    /// Notes what a call has only removed.
    pub(crate) fn released(&mut self, released: Released) {
        self.record(Needs { bytes: 0, files: 0 }, released);
    }

    fn recount(&mut self, root: BorrowedFd<'_>, sweep: Sweep) -> Result<Usage, FilesError> {
        self.count = None;
        let began = Instant::now();
        let usage = walk::count(root, self.quota.files, sweep)?;
        let ended = Instant::now();
        let took = ended.saturating_duration_since(began);
        self.count = Some(Count { usage, added: Usage::default(), ended, took });
        Ok(usage)
    }
}

impl Count {
    fn allows_writes(&self, quota: Quota) -> bool {
        let valid = self.took.saturating_mul(REST).clamp(FRESH, STALE);
        self.ended.elapsed() <= valid
            && self.added.bytes <= (quota.bytes / SLACK_PART).max(MIN_SLACK_BYTES)
            && self.added.files <= (quota.files / SLACK_PART).max(MIN_SLACK_FILES)
    }

    fn just_made(&self) -> bool {
        self.ended.elapsed() <= self.took.saturating_mul(REST).min(STALE)
    }
}

impl Quota {
    fn check(self, usage: Usage, needs: Needs) -> Result<(), FilesError> {
        within("bytes", usage.bytes, self.bytes, needs.bytes)?;
        within("files", usage.files, self.files, needs.files)
    }
}

fn within(unit: &'static str, used: u64, limit: u64, needed: u64) -> Result<(), FilesError> {
    if used.saturating_add(needed) <= limit {
        Ok(())
    } else {
        Err(FilesError::QuotaExceeded { unit, used, limit, needed })
    }
}

impl Usage {
    fn plus(self, needs: Needs) -> Self {
        Self { bytes: self.bytes.saturating_add(needs.bytes), files: self.files.saturating_add(needs.files) }
    }

    fn minus(self, released: Released) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(released.bytes),
            files: self.files.saturating_sub(released.files),
        }
    }
}
