//! Files that are being written, before they take their name. It never leaves one behind, unless the process dies:
//! then the next start finds it by its name.

use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::uninterrupted;

/// How the names of unfinished files begin. No path of a module may have such a component, and no listing shows one.
const PREFIX: &str = ".cofferdam-tmp-";

/// Whether a name is reserved for unfinished files.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes())
}

/// An unfinished file; dropped, it is removed.
pub(crate) struct Temporary<'d> {
    directory: BorrowedFd<'d>,
    /// `None` once the file has its final name.
    name: Option<String>,
    file: OwnedFd,
}

impl<'d> Temporary<'d> {
    /// Creates a file of a name that nobody can guess, for its group to read and write as far as the umask lets it.
    pub(crate) fn create(directory: BorrowedFd<'d>) -> Result<Self, Errno> {
        let name = unguessable_name()?;
        // One name in an open directory: O_EXCL follows no link and takes nothing that exists.
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
        let file = uninterrupted(|| fs::openat(directory, name.as_str(), flags, mode))?;
        Ok(Self { directory, name: Some(name), file })
    }

    /// The file itself, whatever lies under its name by now.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Gives the file its final name, in the same directory, in place of what has that name now.
    pub(crate) fn rename_to(mut self, name: &str) -> Result<(), Errno> {
        if let Some(temporary) = &self.name {
            fs::renameat(self.directory, temporary.as_str(), self.directory, name)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What fails here is found at the next start.
            let _gone = fs::unlinkat(self.directory, name.as_str(), AtFlags::empty());
        }
    }
}

/// 128 random bits: the module cannot put anything in the file's way beforehand.
fn unguessable_name() -> Result<String, Errno> {
    let mut random = [0_u8; 16];
    // Up to 256 bytes come whole and uninterrupted, see getrandom(2).
    let filled = uninterrupted(|| getrandom(&mut random, GetRandomFlags::empty()))?;
    if filled != random.len() {
        return Err(Errno::IO);
    }
    let mut name = PREFIX.to_owned();
    for byte in random {
        // Writing to a String cannot fail.
        let _written = write!(name, "{byte:02x}");
    }
    Ok(name)
}
