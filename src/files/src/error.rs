//! What can go wrong, in words that say what to do. It never shows a path of the host: only what the module itself
//! named, escaped and shortened.

use std::io;

use rustix::io::Errno;

use crate::{Kind, MAX_SCANNED_ENTRIES, MAX_WRITE_BYTES};

/// The longest part of a path that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 120;

/// Why a call on a data directory was not done. Unless a variant says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The path cannot name anything in a data directory.
    #[error("path {path}: {rule}")]
    InvalidPath {
        /// The path, quoted.
        path: String,
        /// What a path must be, and is not.
        rule: &'static str,
    },
    /// More bytes than one call writes.
    #[error("{bytes} bytes are more than the {MAX_WRITE_BYTES} of one write; use several files")]
    TooLarge {
        /// What was given.
        bytes: usize,
    },
    /// A page of no entries says nothing.
    #[error("max_entries is 0; ask for at least 1")]
    EmptyPage,
    /// There is no such file, or no such directory on the way to it.
    #[error("{path} does not exist; create it, and the directories on the way to it, first")]
    NotFound {
        /// The path, quoted.
        path: String,
    },
    /// There is something of this name.
    #[error("{path} exists; delete it first or use another name")]
    AlreadyExists {
        /// The path, quoted.
        path: String,
    },
    /// There is something of this name, but not what the call is for.
    #[error("{path} is {found}, not {wanted}")]
    WrongKind {
        /// The path, quoted.
        path: String,
        /// What lies there.
        found: Kind,
        /// What the call is for: a regular file, a directory.
        wanted: &'static str,
    },
    /// Something on the way to the file is not a directory.
    #[error("{path} or something on the way to it is not a directory; name a path through directories only")]
    NotADirectory {
        /// The path, quoted.
        path: String,
    },
    /// The directory holds something.
    #[error("the directory {path} is not empty; delete what it holds first")]
    NotEmpty {
        /// The path, quoted.
        path: String,
    },
    /// A symbolic link lies at the path or on the way to it.
    #[error("{path} is or leads through a symbolic link, which is never followed; name the file itself")]
    Link {
        /// The path, quoted.
        path: String,
    },
    /// The file has more than one name, and the others may lie anywhere on the file system.
    #[error("{path} has {links} hard links, so it may be a file of somebody else; copy it to a new file")]
    HardLink {
        /// The path, quoted.
        path: String,
        /// How many names the file has.
        links: u64,
    },
    /// The path leads onto another file system or mount.
    #[error("{path} lies on another mount; only the data directory's own file system is served")]
    OtherMount {
        /// The path, quoted.
        path: String,
    },
    /// The file's mode, or the mount, does not let the host do this.
    #[error(
        "{doing} {path}: its permissions do not let the host do this; give its group read and write access"
    )]
    PermissionDenied {
        /// What was being done.
        doing: &'static str,
        /// The path, quoted.
        path: String,
    },
    /// The data directory is full.
    #[error(
        "the data directory holds {used} of {limit} {unit} and {needed} more are needed; delete files, or ask the operator for a larger quota"
    )]
    QuotaExceeded {
        /// What is counted: bytes or files.
        unit: &'static str,
        /// How much is used; where the count stopped at the limit, at least.
        used: u64,
        /// How much may be used.
        limit: u64,
        /// What the call needs.
        needed: u64,
    },
    /// The quota cannot be checked, so nothing is written.
    #[error("{path} cannot be counted against the quota: {why}")]
    Uncountable {
        /// The directory, quoted.
        path: String,
        /// What hinders, and what to do.
        why: &'static str,
    },
    /// The directory has more entries than one listing looks at.
    #[error("{path} has more than {MAX_SCANNED_ENTRIES} entries; spread its files over several directories")]
    TooManyEntries {
        /// The directory, quoted.
        path: String,
    },
    /// The file system is full, whatever the quota says.
    #[error("{doing} {path}: the file system is full; the operator must make room")]
    DiskFull {
        /// What was being done.
        doing: &'static str,
        /// The path, quoted.
        path: String,
    },
    /// The path changed while it was being used.
    #[error("{doing} {path}: it keeps changing or is held by a lease; try again")]
    Busy {
        /// What was being done.
        doing: &'static str,
        /// The path, quoted.
        path: String,
    },
    /// The kernel or the system call filter has no openat2(2).
    #[error("openat2 is not available; it takes Linux 5.6 or newer and a system call filter that allows it")]
    Unsupported,
    /// The quota asks for more than can be counted.
    #[error("a quota of {files} files is more than the {max} that can be counted; make it smaller")]
    QuotaTooLarge {
        /// The quota's files.
        files: u64,
        /// The most there can be.
        max: u64,
    },
    /// Anything else that the kernel says.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The path, quoted.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl FilesError {
    /// What the kernel's answer means for this path.
    pub(crate) fn from_errno(doing: &'static str, path: &str, errno: Errno) -> Self {
        let path = quote(path);
        match errno {
            Errno::NOENT => Self::NotFound { path },
            Errno::EXIST => Self::AlreadyExists { path },
            Errno::NOTDIR => Self::NotADirectory { path },
            Errno::NOTEMPTY => Self::NotEmpty { path },
            Errno::ISDIR => Self::WrongKind { path, found: Kind::Directory, wanted: "a regular file" },
            // What open(2) says of a socket, and of a device that has no driver.
            Errno::NXIO => Self::WrongKind { path, found: Kind::Other, wanted: "a regular file" },
            Errno::LOOP => Self::Link { path },
            Errno::XDEV => Self::OtherMount { path },
            Errno::ACCESS | Errno::PERM => Self::PermissionDenied { doing, path },
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull { doing, path },
            Errno::AGAIN => Self::Busy { doing, path },
            Errno::NOSYS => Self::Unsupported,
            other => Self::Io { doing, path, source: other.into() },
        }
    }
}

/// A path as a message shows it: nothing in it can move a cursor, forge a line or fill a page.
pub(crate) fn quote(path: &str) -> String {
    if path.is_empty() {
        return "the data directory".to_owned();
    }
    let mut shown: String = path.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if path.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}
