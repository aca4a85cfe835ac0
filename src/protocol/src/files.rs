//! What calls about files in a module's data directory answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;

/// The largest file that is read or written by one call.
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;
/// The largest part of a file that is read by one call.
pub const MAX_RANGE_BYTES: u32 = 1024 * 1024;
/// The most names of a page.
pub const MAX_NAMES: usize = 1024;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRange {
    /// What is there; shorter than was asked for only at the end of the file.
    pub data: Bytes,
    /// The size of the whole file.
    pub file_bytes: u64,
}

/// Names in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryPage {
    /// The entries, in the order of their names' bytes.
    pub entries: BoundedVec<DirectoryEntry, MAX_NAMES>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// The name. Bytes that are not UTF-8 are replaced by U+FFFD: such a file cannot be named in a call.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else: a link, a pipe, a device. No call follows or opens it.
    Other,
}

/// A file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMetadata {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// When its content was last changed, in milliseconds since 1970.
    pub modified_ms: u64,
}
