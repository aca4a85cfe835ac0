//! Looking at all entries of a directory, and at all of a tree, within bounds. It never follows a link or a mount, and
//! holds at most two descriptors, however deep the tree is.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, RawDir};
use rustix::io::Errno;

use crate::error::quote;
use crate::quota::Usage;
use crate::temporary::is_temporary;
use crate::{FilesError, Kind, MAX_DEPTH, MAX_PATH_BYTES, allocated, beneath};

/// What one getdents64 call fills.
const BUFFER_BYTES: usize = 32 * 1024;

/// The memory for the paths of directories that a walk has yet to visit: some hundred thousand ordinary names, or some
/// thousand of the longest paths there are.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// What a walk removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// Nothing.
    Nothing,
    /// Files that were being written when the host died.
    Unfinished,
}

/// Counts what a tree holds, and ends early as soon as it has seen more than `max_files` names. A name that vanishes
/// while the walk passes counts as well, so that a module that makes and removes files cannot keep the walk going.
pub(crate) fn count(root: BorrowedFd<'_>, max_files: u64, sweep: Sweep) -> Result<Usage, FilesError> {
    let mut walk =
        Walk { usage: Usage::default(), max_files, sweep, pending: vec![Vec::new()], pending_bytes: 0 };
    while let Some(path) = walk.pending.pop() {
        walk.pending_bytes = walk.pending_bytes.saturating_sub(path.len());
        match walk.visit(root, &path) {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(Stop::Full) => break,
            ControlFlow::Break(Stop::Failed(error)) => return Err(error),
        }
    }
    Ok(walk.usage)
}

/// Calls `see` with every name in an open directory but `.` and `..`, until it breaks.
pub(crate) fn entries<B>(
    directory: impl AsFd,
    mut see: impl FnMut(&CStr) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, Errno> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if let ControlFlow::Break(stop) = see(entry.file_name()) {
            return Ok(ControlFlow::Break(stop));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Why a walk ends before it has seen everything.
enum Stop {
    /// There are more files than it is to count.
    Full,
    /// There is something that cannot be counted.
    Failed(FilesError),
}

struct Walk {
    usage: Usage,
    max_files: u64,
    sweep: Sweep,
    /// Directories yet to be visited, by their paths from the root.
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
}

impl Walk {
    /// Counts the entries of one directory, and notes the directories among them.
    fn visit(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> ControlFlow<Stop> {
        let directory = match beneath::raw_directory(root, path) {
            Ok(directory) => directory,
            // It is gone, something else has its name now, or it is the root of another mount: nothing to count.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return ControlFlow::Continue(()),
            Err(errno) => return unreadable(path, errno),
        };
        entries(&directory, |name| self.see(directory.as_fd(), path, name))
            .unwrap_or_else(|errno| unreadable(path, errno))
    }

    fn see(&mut self, directory: BorrowedFd<'_>, path: &[u8], name: &CStr) -> ControlFlow<Stop> {
        if self.sweep == Sweep::Unfinished && is_temporary(name.to_bytes()) {
            // A directory of this name is none of ours, and stays.
            let _gone = fs::unlinkat(directory, name, AtFlags::empty());
        }
        self.usage.files = self.usage.files.saturating_add(1);
        if let Some(stat) = beneath::entry(directory, name) {
            self.usage.bytes = self.usage.bytes.saturating_add(allocated(&stat));
            if Kind::of(&stat) == Kind::Directory {
                self.note(path, name.to_bytes())?;
            }
        }
        if self.usage.files > self.max_files {
            ControlFlow::Break(Stop::Full)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn note(&mut self, parent: &[u8], name: &[u8]) -> ControlFlow<Stop> {
        let path = if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() };
        self.pending_bytes = self.pending_bytes.saturating_add(path.len());
        let depth = path.split(|byte| *byte == b'/').count();
        let why = if depth > MAX_DEPTH {
            "it lies deeper than 32 directories; remove it"
        } else if path.len() > MAX_PATH_BYTES {
            "its path is longer than 4095 bytes; remove it"
        } else if self.pending_bytes > MAX_PENDING_BYTES {
            "there are too many directories with long names beside it; remove some"
        } else {
            self.pending.push(path);
            return ControlFlow::Continue(());
        };
        let path = quote(&String::from_utf8_lossy(&path));
        ControlFlow::Break(Stop::Failed(FilesError::Uncountable { path, why }))
    }
}

fn unreadable(path: &[u8], errno: Errno) -> ControlFlow<Stop> {
    let path = String::from_utf8_lossy(path);
    ControlFlow::Break(Stop::Failed(match errno {
        Errno::ACCESS | Errno::PERM => FilesError::Uncountable {
            path: quote(&path),
            why: "the host may not read it; give its group read, write and search access",
        },
        other => FilesError::from_errno("count", &path, other),
    }))
}
