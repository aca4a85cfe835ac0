//! Reading a part of a file that may grow, shrink or be replaced meanwhile. It never reads anything but a regular
//! file with one name, and never more than it was asked for.

use rustix::io;

use crate::path::RelativePath;
use crate::{DataDirectory, FilesError, MAX_READ_BYTES, beneath, length, uninterrupted};

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes from the offset on: as many as were asked for, fewer only where the file ends.
    pub bytes: Vec<u8>,
    /// The length of the whole file in bytes when it was opened. It may be another at the next call.
    pub total_bytes: u64,
}

impl DataDirectory {
    /// Reads at most `max_bytes` (and at most [`MAX_READ_BYTES`]) from `offset` on; an offset behind the end gives no
    /// bytes. A large file is read in several calls: each opens the file anew, so the parts are of one content only
    /// if nobody replaces the file between them.
    ///
    /// # Errors
    /// The path is not valid, there is no such file, it is not a regular file, it has more than one hard link, or the
    /// way there leads through a link or onto another mount.
    pub fn read(&self, path: &str, offset: u64, max_bytes: usize) -> Result<Chunk, FilesError> {
        let path = RelativePath::parse(path)?;
        let (file, stat) = beneath::file(self.root(), path)?;
        let total_bytes = length(&stat);
        let wanted = usize::try_from(total_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; wanted.min(max_bytes).min(MAX_READ_BYTES)];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            // Does not overflow: offset and filled together are at most the file's length.
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            let count = uninterrupted(|| io::pread(&file, &mut *rest, at))
                .map_err(|errno| FilesError::from_errno("read", path.text(), errno))?;
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
        }
        bytes.truncate(filled);
        Ok(Chunk { bytes, total_bytes })
    }
}
