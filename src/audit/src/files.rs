//! The files of a log: the one that is written, and the older ones beside it, `<name>.1` the latest of them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::error::{Error, file};

/// A folder that is held open, so that every step is about the same one; and the log's name in it.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) directory: File,
    path: PathBuf,
    name: OsString,
}

impl Folder {
    /// Opens the folder of the log at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().ok_or_else(|| {
            file("open the audit log", path, "its path must end with a file name")(Errno::EISDIR.into())
        })?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(folder, flags, Mode::empty()).map_err(|errno| {
            if errno == Errno::ENOENT {
                return Error::Missing { path: path.to_owned() };
            }
            let fix = "it is a folder for the user who runs cofferdam, and for root";
            file("open the folder of the audit log", folder, fix)(errno.into())
        })?;
        Ok(Self { directory: directory.into(), path: folder.to_owned(), name: name.to_owned() })
    }

    /// The file of the log with this suffix; `""` is the one that is written.
    pub(crate) fn name(&self, suffix: &str) -> OsString {
        let mut name = self.name.clone();
        name.push(suffix);
        name
    }

    /// Its path, for messages.
    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        self.path.join(self.name(suffix))
    }

    /// Opens a file of the log. Waits for nobody: in place of the file may stand a pipe.
    pub(crate) fn file(&self, suffix: &str, flags: OFlag) -> io::Result<File> {
        let always = OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let opened: OwnedFd = openat(&self.directory, self.name(suffix).as_os_str(), flags | always, mode)?;
        Ok(opened.into())
    }

    /// The numbers of the older files, the oldest (with the largest number) first.
    pub(crate) fn older(&self) -> Result<Vec<u32>, Error> {
        let failed =
            || file("list the folder of the audit log", self.path.as_path(), "check the file system");
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            numbers.extend(number(&self.name, &name));
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// Renames a file of the log; one that is not there needs none: a rotation that was interrupted leaves a gap.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.name(from), self.name(to));
        match renameat(&self.directory, from.as_os_str(), &self.directory, to.as_os_str()) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    }

    /// Removes a file of the log.
    pub(crate) fn remove(&self, suffix: &str) -> io::Result<()> {
        let name = self.name(suffix);
        unlinkat(&self.directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir).map_err(io::Error::from)
    }

    /// Puts what was done to names on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

/// `3` for `log.jsonl.3`.
fn number(log: &OsStr, name: &OsStr) -> Option<u32> {
    let digits = name.as_bytes().strip_prefix(log.as_bytes())?.strip_prefix(b".")?;
    let text = std::str::from_utf8(digits).ok()?;
    let number = text.parse().ok()?;
    // `.03` and `.+3` are somebody else's.
    (number > 0 && text == format!("{number}")).then_some(number)
}

/// The suffix of an older file.
pub(crate) fn suffix(number: u32) -> String {
    format!(".{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_s_own_older_files_are_taken_for_such() {
        let of = |name: &str| number(OsStr::new("log.jsonl"), OsStr::new(name));
        assert_eq!([of("log.jsonl.1"), of("log.jsonl.12")], [Some(1), Some(12)]);
        for other in [
            "log.jsonl",
            "log.jsonl.",
            "log.jsonl.0",
            "log.jsonl.03",
            "log.jsonl.torn-3",
            "x.1",
            "log.jsonl.1.gz",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
