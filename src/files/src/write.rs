//! Writing a whole file, and making directories. A write never changes a file in place: the old content stands until
//! the new one is complete and on the disk.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, Mode};
use rustix::io::{self, Errno};

use crate::path::RelativePath;
use crate::quota::{Needs, Released};
use crate::temporary::Temporary;
use crate::{DataDirectory, FilesError, MAX_WRITE_BYTES, allocated, beneath, uninterrupted};

impl DataDirectory {
    /// Makes `data` the whole content of the file at `path`, at once: whoever reads sees the old content or the new,
    /// also after a crash. When this returns the new one is on the disk. The directory must exist.
    ///
    /// What had the name before is replaced, whatever it was, a directory excepted: a link is replaced itself, and
    /// what it points to stays; so does a file with other hard links. The new file belongs to the host's user and to
    /// the directory's group if that directory has set-group-ID; its mode is 0660 without the host's umask.
    ///
    /// The old and the new content exist together for a moment, so the quota must have room for both.
    ///
    /// # Errors
    /// The path is not valid, the data is too long, the directory does not exist or is reached through a link, a
    /// directory has the name, the quota or the disk is full, or the quota cannot be counted. The file is then as it
    /// was. If the very last step fails (an I/O error while the directory is written), it may hold either content.
    pub fn write(&self, path: &str, data: &[u8]) -> Result<(), FilesError> {
        let path = RelativePath::parse(path)?;
        if data.len() > MAX_WRITE_BYTES {
            return Err(FilesError::TooLarge { bytes: data.len() });
        }
        let (parent, name) = path.split();
        let mut ledger = self.locked();
        ledger.room_for(self.root(), Needs::file(data.len()))?;
        let parent = beneath::directory(self.root(), parent)?;
        let failed = |errno| FilesError::from_errno("write", path.text(), errno);
        let temporary = Temporary::create(parent.as_fd()).map_err(failed)?;
        let taken = fill(temporary.file(), data).map_err(failed)?;
        // What the file system really took may be more than was asked for: its blocks may be large.
        let needs = Needs { bytes: taken, files: 1 };
        ledger.still_room_for(needs)?;
        let old = beneath::entry(parent.as_fd(), name).map(|stat| Released::by(&stat));
        temporary.rename_to(name).map_err(failed)?;
        ledger.record(needs, old.unwrap_or_default());
        uninterrupted(|| fs::fsync(&parent)).map_err(failed)
    }

    /// Creates a directory. The directory it lies in must exist. Its mode is 0770 without the host's umask, and it
    /// has the set-group-ID bit if the directory it lies in has it, so that group and bit are inherited.
    ///
    /// # Errors
    /// The path is not valid, something has the name, the directory it lies in does not exist or is reached through a
    /// link, the quota or the disk is full, or the quota cannot be counted.
    pub fn create_directory(&self, path: &str) -> Result<(), FilesError> {
        let path = RelativePath::parse(path)?;
        let (parent, name) = path.split();
        let mut ledger = self.locked();
        ledger.room_for(self.root(), Needs::directory())?;
        let parent = beneath::directory(self.root(), parent)?;
        let failed = |errno| FilesError::from_errno("create directory", path.text(), errno);
        fs::mkdirat(&parent, name, Mode::RWXU | Mode::RWXG).map_err(failed)?;
        ledger.record(Needs::directory(), Released::default());
        uninterrupted(|| fs::fsync(&parent)).map_err(failed)
    }
}

/// Writes all of `data` to the disk and says how much room it takes there.
fn fill(file: BorrowedFd<'_>, mut data: &[u8]) -> Result<u64, Errno> {
    while !data.is_empty() {
        let count = uninterrupted(|| io::write(file, data))?;
        if count == 0 {
            return Err(Errno::IO);
        }
        data = data.get(count..).unwrap_or_default();
    }
    uninterrupted(|| fs::fsync(file))?;
    Ok(allocated(&fs::fstat(file)?))
}
