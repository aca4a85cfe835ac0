//! The files of one module, for the host core: read, write, delete, list, create, look at, all within one directory.
//!
//! The module has the same directory mounted in its own sandbox and is hostile: while a call runs it swaps directories
//! for links, puts FIFOs and devices in place of files, and fills the directory with millions of names. So:
//!
//! - Every path is resolved by openat2(2) from the directory's descriptor, beneath it, through no link and onto no
//!   other mount. Where the kernel has no openat2 nothing is opened at all.
//! - What a file is, is asked of the descriptor that is then used. What makes or removes a name does so by that one
//!   name in a directory that was opened this way.
//! - Everything is bounded: paths, bytes of a call, entries of a page, entries looked at, descriptors held (three at
//!   a time), and memory.
//!
//! This crate never follows a link, never opens a path of the host but the one it is given at the start, never waits
//! for another process, and never changes a file in place: a write is a new file that takes the old one's name.
//! All calls block on the disk: an async caller runs them on a thread for that, and bounds how many a module has.

#![forbid(unsafe_code)]

mod beneath;
mod delete;
mod error;
mod list;
mod path;
mod quota;
mod read;
mod temporary;
mod walk;
mod write;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

use rustix::fs::{self, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

pub use error::FilesError;
pub use list::{Entry, Page};
pub use quota::{Quota, Usage};
pub use read::Chunk;

use path::RelativePath;
use quota::Ledger;

/// The longest path, in bytes: the kernel resolves 4096 with the NUL at the end, see PATH_MAX.
pub const MAX_PATH_BYTES: usize = 4095;

/// The longest name between two `/`, in bytes, see NAME_MAX.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// The most components of a path, and the deepest directory that is counted.
pub const MAX_DEPTH: usize = 32;

/// The most bytes that one read returns; more are asked for with the next offset.
pub const MAX_READ_BYTES: usize = 4 * 1024 * 1024;

/// The most bytes that one write takes.
pub const MAX_WRITE_BYTES: usize = 4 * 1024 * 1024;

/// The most entries of one page of a listing.
pub const MAX_PAGE_ENTRIES: usize = 1000;

/// The most entries of a directory that can be listed. Each page looks at all of them, since a directory has no
/// order; a hundred thousand take some tens of milliseconds.
pub const MAX_SCANNED_ENTRIES: usize = 100_000;

/// The most files that a quota can grant, since all are counted, again and again.
pub const MAX_QUOTA_FILES: u64 = 65_536;

/// The data directory of one module.
///
/// All methods may be called from several threads at once. Reads and listings do not wait; what changes the directory
/// waits for the change before it, so that the quota is counted once. At most one value for a directory may be in
/// use: opening removes the unfinished files of whoever wrote there before.
pub struct DataDirectory {
    root: OwnedFd,
    ledger: Mutex<Ledger>,
}

/// What lies under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link: it can be seen and deleted, and is never followed.
    Link,
    /// A FIFO, a socket or a device: it can be seen and deleted, and is never opened.
    Other,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes, as far as a length means something for its kind.
    pub bytes: u64,
    /// When its content last changed, in milliseconds since 1970 UTC. The module can set it to anything.
    pub modified_unix_ms: i64,
    /// When its content, mode or name last changed, in milliseconds since 1970 UTC, by the host's clock.
    pub changed_unix_ms: i64,
}

impl DataDirectory {
    /// Opens the directory at `path`, which is the caller's and trusted, and removes files that a crash left
    /// half-written. The path's last component must be a directory itself, not a link to one.
    ///
    /// # Errors
    /// There is no such directory, it cannot be read, the kernel has no openat2, or the quota has more files than can be
    /// counted.
    pub fn open(path: &Path, quota: Quota) -> Result<Self, FilesError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| FilesError::from_errno("open", "", errno))?;
        Self::from_descriptor(root, quota)
    }

    /// The same, for a directory that is open already.
    ///
    /// # Errors
    /// The descriptor is not a readable directory, the kernel has no openat2, or the quota has more files than can be
    /// counted.
    pub fn from_descriptor(root: OwnedFd, quota: Quota) -> Result<Self, FilesError> {
        let ledger = Ledger::new(quota)?;
        // Fails where there is no openat2 and where the descriptor is no directory, before anything relies on it.
        beneath::directory(root.as_fd(), RelativePath::parse_directory("")?)?;
        let directory = Self { root, ledger: Mutex::new(ledger) };
        directory.locked().sweep(directory.root());
        Ok(directory)
    }

    /// What lies at `path`, which may be empty for the data directory itself. A link is described, not followed.
    ///
    /// # Errors
    /// The path is not valid, nothing lies there, or the way there leads through a link.
    pub fn metadata(&self, path: &str) -> Result<Metadata, FilesError> {
        let path = RelativePath::parse_directory(path)?;
        Ok(Metadata::of(&beneath::look(self.root(), path)?))
    }

    /// What is used of the quota, counted now or at most a moment ago. See [`Quota`] for what it means.
    ///
    /// # Errors
    /// The directory cannot be counted.
    pub fn usage(&self) -> Result<Usage, FilesError> {
        self.locked().usage(self.root())
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The ledger holds numbers only, each right by itself, so a panic elsewhere leaves nothing half-done in it.
    pub(crate) fn locked(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for DataDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DataDirectory").finish_non_exhaustive()
    }
}

impl Kind {
    pub(crate) fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Self::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "a regular file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Other => "a FIFO, socket or device",
        })
    }
}

impl Metadata {
    fn of(stat: &Stat) -> Self {
        Self {
            kind: Kind::of(stat),
            bytes: length(stat),
            modified_unix_ms: milliseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed_unix_ms: milliseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// A file's length. The kernel's type is signed, its lengths are not.
pub(crate) fn length(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What a file takes on the disk: st_blocks counts units of 512 bytes on every file system, see stat(3type).
pub(crate) fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
}

/// A time whose seconds a module chose: it saturates.
fn milliseconds(seconds: i64, nanoseconds: impl TryInto<i64>) -> i64 {
    let within = nanoseconds.try_into().unwrap_or(0) / 1_000_000;
    seconds.saturating_mul(1000).saturating_add(within)
}

/// A call of the kernel's that a signal may interrupt.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}
