//! Removing one name. It never removes what a link points to, nor anything below a directory.

use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use crate::path::RelativePath;
use crate::quota::Released;
use crate::{DataDirectory, FilesError, beneath, uninterrupted};

impl DataDirectory {
    /// Removes a file, or a directory that is empty. A link, a FIFO or whatever else has the name is removed itself.
    /// When this returns, the removal is on the disk.
    ///
    /// # Errors
    /// The path is not valid, nothing has the name, it is a directory that holds something, or the way there leads
    /// through a link or onto another mount.
    pub fn delete(&self, path: &str) -> Result<(), FilesError> {
        let path = RelativePath::parse(path)?;
        let (parent, name) = path.split();
        let mut ledger = self.locked();
        let parent = beneath::directory(self.root(), parent)?;
        let failed = |errno| FilesError::from_errno("delete", path.text(), errno);
        let released = beneath::entry(&parent, name).map(|stat| Released::by(&stat));
        let gone = match fs::unlinkat(&parent, name, AtFlags::empty()) {
            // Linux says so of a directory; see unlink(2).
            Err(Errno::ISDIR) => match fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                // It was a directory a moment ago.
                Err(Errno::NOTDIR) => Err(Errno::AGAIN),
                answer => answer,
            },
            answer => answer,
        };
        gone.map_err(failed)?;
        ledger.released(released.unwrap_or_default());
        uninterrupted(|| fs::fsync(&parent)).map_err(failed)
    }
}
