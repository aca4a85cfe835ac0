//! The lock file on the disk: read with care, and replaced as a whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cofferdam_document::DocumentError;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use crate::Lock;

/// The longest file that is read; the parser refuses a longer one and names the bound.
const MAX_FILE_BYTES: u64 = 1024 * 1024 + 1;

/// For everybody to read, and for the owner alone to write.
const MODE: u32 = 0o644;

/// Until it is in its place: whoever can open the new file can lock it, and keep the operator from granting.
const NEW_MODE: u32 = 0o600;

/// Permissions by which others than the owner could grant.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why the lock file cannot be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file or its folder.
    #[error("{doing} {}: {cause}; {fix}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
        /// What to do.
        fix: &'static str,
    },
    /// What it says.
    #[error(transparent)]
    Text(Box<DocumentError>),
    /// Others than the operator could have written it.
    #[error("the lock file {}: {problem}; {fix}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// How.
        problem: String,
        /// What to do.
        fix: String,
    },
    /// Another command is at it.
    #[error("another cofferdam changes {}; wait for it and try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// Tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file at `path` as it is now; `None` where there is none.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn now(path: &Path) -> Result<Option<Self>, LockError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(file("look at the lock file", path, "check the path and its permissions")(error))
            }
        }
    }

    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Grants, and which state of the file says them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamped {
    /// The grants.
    pub lock: Lock,
    /// `None`: there was no file.
    pub stamp: Option<Stamp>,
}

/// Reads the lock file. Where there is none, nothing is granted. It must belong to root, to the user who reads it, or
/// to the owner of `config`, who decides as much as it does; and nobody else may write it.
///
/// # Errors
/// [`LockError`]: a file that is there and cannot be understood is never taken for none.
pub fn read(path: &Path, config: Option<&Path>) -> Result<Stamped, LockError> {
    let fix = "check the path and its permissions";
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = match File::options().read(true).custom_flags(flags.bits()).open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stamped::default()),
        Err(error) => return Err(file("open the lock file", path, fix)(error)),
    };
    // Asked of what was opened, so that nothing can take its place in between.
    let metadata = opened.metadata().map_err(file("look at the lock file", path, fix))?;
    refuse_exposed(path, &metadata, config)?;
    let mut text = String::new();
    let read = opened.take(MAX_FILE_BYTES).read_to_string(&mut text);
    read.map_err(file("read the lock file", path, "it is a text in UTF-8: restore it from a copy"))?;
    let lock =
        Lock::parse(&path.to_string_lossy(), &text).map_err(|error| LockError::Text(Box::new(error)))?;
    Ok(Stamped { lock, stamp: Some(Stamp::of(&metadata)) })
}

fn refuse_exposed(path: &Path, metadata: &fs::Metadata, config: Option<&Path>) -> Result<(), LockError> {
    let exposed =
        |problem: String, fix: String| Err(LockError::Exposed { path: path.to_owned(), problem, fix });
    let shown = path.display();
    if !metadata.is_file() {
        return exposed("is not a regular file".to_owned(), "name a file in grants_file".to_owned());
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        let problem = format!("others than its owner may write it (mode {:03o})", metadata.mode() & 0o777);
        return exposed(problem, format!("look at it, then: chmod go-w {shown}"));
    }
    let operators = config.and_then(|config| fs::metadata(config).ok()).map(|metadata| metadata.uid());
    let trusted = [Some(0), Some(geteuid().as_raw()), operators];
    if !trusted.contains(&Some(metadata.uid())) {
        let problem =
            format!("it belongs to uid {}, neither you, root nor the config's owner", metadata.uid());
        return exposed(problem, format!("look at it, then: chown {} {shown}", geteuid()));
    }
    Ok(())
}

/// The right to replace a lock file: one process has it at a time.
#[derive(Debug)]
pub struct Editor {
    path: PathBuf,
    fresh: PathBuf,
    file: Flock<File>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    InPlace,
}

impl Editor {
    /// Begins a change of the lock file at `path`, which need not exist. A reader never sees half of it.
    ///
    /// # Errors
    /// [`LockError::Busy`] while another has begun one.
    pub fn open(path: &Path) -> Result<Self, LockError> {
        // Where the operator's name is a link, the file it leads to is replaced, and the link stays.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut fresh = path.clone().into_os_string();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(NEW_MODE)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&fresh)
            .map_err(file(
                "create",
                &fresh,
                "may you write in that folder, and is it the operator's alone?",
            ))?;
        let busy = || LockError::Busy { path: path.clone() };
        let locked = Flock::lock(opened, FlockArg::LockExclusiveNonblock).map_err(|_| busy())?;
        // It may have become the lock file, or been removed, after it was opened here and before it was locked.
        let [mine, named] = [locked.metadata().ok(), fs::symlink_metadata(&fresh).ok()]
            .map(|metadata| metadata.map(|metadata| (metadata.dev(), metadata.ino())));
        if mine.is_none() || mine != named {
            return Err(busy());
        }
        Ok(Self { path, fresh, file: locked, state: State::Open })
    }

    /// Puts these grants in the place of those before, on the disk.
    ///
    /// # Errors
    /// When that is not possible: then those before stand.
    pub fn write(mut self, lock: &Lock) -> Result<(), LockError> {
        let unwritable = "is there room on the disk? the grants are as they were";
        let text = lock.render();
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.set_permissions(Permissions::from_mode(MODE)))
            .and_then(|()| self.file.sync_all());
        written.map_err(file("write", &self.fresh, unwritable))?;
        fs::rename(&self.fresh, &self.path).map_err(file("put in place", &self.path, unwritable))?;
        self.state = State::InPlace;
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(file(
            "sync the folder",
            folder,
            "the new grants stand, but may not survive a loss of power",
        ))
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if self.state == State::Open {
            // What stays behind is empty or stale, and the next change begins by emptying it.
            let _left_behind = fs::remove_file(&self.fresh);
        }
    }
}

fn file(doing: &'static str, path: &Path, fix: &'static str) -> impl FnOnce(io::Error) -> LockError {
    let path = path.to_owned();
    move |cause| LockError::File { doing, path, cause, fix }
}
