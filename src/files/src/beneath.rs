//! The one way to a file: openat2(2) from the data directory's descriptor, beneath it, through no link and onto no
//! other mount. It never resolves a path in another way, and what it returns is a descriptor, so that nothing is
//! resolved twice.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::path::RelativePath;
use crate::{FilesError, Kind};

/// How often a call that the kernel asks to repeat is repeated: EAGAIN says that a rename raced with the lookup or that
/// somebody holds a lease, EINTR that a signal came. Who answers so more often does it on purpose.
const ATTEMPTS: usize = 16;

/// Nothing on the way, nor at its end, leads out of the directory. See openat2(2).
const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// For every open: not inherited, not the end of a link, no wait for the other end of a FIFO, no controlling terminal.
const ALWAYS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a directory, to read its entries and to make and remove names in it.
pub(crate) fn directory(root: BorrowedFd<'_>, path: RelativePath<'_>) -> Result<OwnedFd, FilesError> {
    resolve(root, path.to_resolve(), ALWAYS | OFlags::RDONLY | OFlags::DIRECTORY)
        .map_err(|errno| FilesError::from_errno("open directory", path.text(), errno))
}

/// Opens a regular file with a single name, to read it. What it is was asked of the descriptor that is returned.
pub(crate) fn file(root: BorrowedFd<'_>, path: RelativePath<'_>) -> Result<(OwnedFd, Stat), FilesError> {
    let failed = |errno| FilesError::from_errno("open", path.text(), errno);
    let file = resolve(root, path.to_resolve(), ALWAYS | OFlags::RDONLY).map_err(failed)?;
    let stat = fs::fstat(&file).map_err(failed)?;
    let found = Kind::of(&stat);
    if found != Kind::File {
        let path = crate::error::quote(path.text());
        return Err(FilesError::WrongKind { path, found, wanted: "a regular file" });
    }
    if stat.st_nlink > 1 {
        let path = crate::error::quote(path.text());
        return Err(FilesError::HardLink { path, links: wide(stat.st_nlink) });
    }
    Ok((file, stat))
}

/// Looks at whatever lies at a path, without opening it: a link is looked at itself.
pub(crate) fn look(root: BorrowedFd<'_>, path: RelativePath<'_>) -> Result<Stat, FilesError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    resolve(root, path.to_resolve(), flags)
        .and_then(fs::fstat)
        .map_err(|errno| FilesError::from_errno("look at", path.text(), errno))
}

/// Opens a directory by bytes, for walks: its name need not be UTF-8.
pub(crate) fn raw_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    resolve(root, path, ALWAYS | OFlags::RDONLY | OFlags::DIRECTORY)
}

/// What lies under a name in an open directory, if anything does: for counting and for showing, never for deciding
/// what may be opened.
pub(crate) fn entry(directory: impl AsFd, name: impl Arg) -> Option<Stat> {
    fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// The kernel counts links in types of different width on different architectures.
fn wide(links: impl Into<u64>) -> u64 {
    links.into()
}

fn resolve(root: BorrowedFd<'_>, path: impl Arg + Copy, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut answer = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        answer = fs::openat2(root, path, flags, Mode::empty(), CONFINED);
        if !matches!(answer, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    answer
}
