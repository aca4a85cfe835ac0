//! The writer. One process has the log open at a time; it appends, and rotates.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, OFlag, fallocate};
use nix::sys::stat::{Mode, fchmod};

use crate::error::{Error, file};
use crate::files::{Folder, suffix};
use crate::line::{Head, MAX_LINE_BYTES, decode, encode};
use crate::recover::resume;
use crate::{Hash, Record};

/// When a file is closed and the next begun, and how many closed ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The longest file, in bytes; a line is never divided.
    pub max_bytes: u64,
    /// How many older files are kept; at least one.
    pub keep: u32,
}

impl Default for Rotation {
    /// 64 MiB, about 130000 lines, and 8 older files: what the launcher writes in months is kept, in half a gigabyte.
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, keep: 8 }
    }
}

/// A launcher that was killed may hold the lock until its last child has executed its program.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Room on the disk that the log has ahead of what it writes: some five hundred lines. A module that fills the disk leaves
/// it what is needed to tell how that ended.
const AHEAD_BYTES: u64 = 256 * 1024;

/// An open log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    folder: Folder,
    /// The folder is locked, not the file: the lock outlives a rotation.
    _lock: Flock<File>,
    file: File,
    bytes: u64,
    /// Up to where it has room on the disk, as far as is known.
    reserved: u64,
    /// A rare record was written, and is not known to be on the disk.
    unsynced: bool,
    /// Behind `bytes` stands a part of a line that could not be taken back.
    torn: bool,
    head: Head,
    unwritten: u64,
    rotation: Rotation,
}

impl Log {
    /// Opens the log at `path`, whose folder exists, to go on with it; makes it if there is none. A line that a crash
    /// has torn is moved to a file `<path>.torn-<number>` and recorded.
    ///
    /// # Errors
    /// [`Error::InUse`] for a second writer; [`Error::Broken`] when the last whole line is not what was written: then
    /// nothing is changed. The operator moves the whole folder away, and a new log begins, whose number 1 shows it.
    pub fn open(path: &Path, rotation: Rotation) -> Result<Self, Error> {
        let folder = Folder::open(path)?;
        let lock = lock(&folder, path)?;
        let file = open_file(&folder)?;
        let (head, bytes, recovered) = resume(&folder, &file)?;
        let mut log = Self {
            path: path.to_owned(),
            folder,
            _lock: lock,
            file,
            bytes,
            reserved: 0,
            unsynced: false,
            torn: false,
            head,
            unwritten: 0,
            rotation,
        };
        log.reserve();
        for record in &recovered {
            log.append(record)?;
        }
        log.sync()?;
        Ok(log)
    }

    /// Writes one record as one line. After a rare one the log [wants to be synced](Self::wants_sync).
    ///
    /// # Errors
    /// The record was not written. The caller says so to the operator; the number of records that were not written is
    /// in the log before the next one.
    pub fn append(&mut self, record: &Record) -> Result<(), Error> {
        if self.unwritten > 0 {
            let lost = Record::Unwritten { count: self.unwritten };
            if let Err(error) = self.write(&lost) {
                self.unwritten = self.unwritten.saturating_add(1);
                return Err(error);
            }
            self.unwritten = 0;
        }
        if let Err(error) = self.write(record) {
            self.unwritten = self.unwritten.saturating_add(1);
            return Err(error);
        }
        self.unsynced |= record.is_rare();
        Ok(())
    }

    /// Whether a rare record waits for [`Log::sync`].
    #[must_use]
    pub fn wants_sync(&self) -> bool {
        self.unsynced
    }

    /// Puts what was written on the disk, and waits for it: milliseconds, or as long as a disk that fails takes.
    ///
    /// # Errors
    /// It is not certain that what was written last survives a loss of power; a second try would not tell (fsync(2)).
    pub fn sync(&mut self) -> Result<(), Error> {
        self.unsynced = false;
        let fix = "check the disk: what was written last may not survive a loss of power";
        self.file.sync_data().map_err(file("write to the disk", &self.path, fix))
    }

    /// The hash of the last line: kept elsewhere, it proves later that nothing was cut off or made anew.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.head.hash
    }

    fn write(&mut self, record: &Record) -> Result<(), Error> {
        let (line, _) = encode(self.head, SystemTime::now(), record)?;
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.rotation.max_bytes {
            self.rotate()?;
        }
        if self.bytes == 0 && self.head.seq > 0 {
            let older = self.folder.older()?;
            let (removed, kept): (Vec<u32>, Vec<u32>) =
                older.into_iter().partition(|number| *number > self.keep());
            let oldest = kept.first().and_then(|number| first_seq(&self.folder, *number));
            self.write_line(&Record::Continues { oldest })?;
            // Only now: what the log says that it keeps is what verification expects. The oldest go first.
            let fix = "check the file system";
            for number in removed {
                let removed = self.folder.remove(&suffix(number));
                removed.map_err(file("remove an old file of", &self.path, fix))?;
            }
        }
        self.write_line(record)
    }

    fn keep(&self) -> u32 {
        self.rotation.keep.max(1)
    }

    fn write_line(&mut self, record: &Record) -> Result<(), Error> {
        let (line, head) = encode(self.head, SystemTime::now(), record)?;
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.write_whole(&line).map_err(file("append to", &self.path, "free space on its disk"))?;
        self.bytes = self.bytes.saturating_add(length);
        self.head = head;
        self.reserve();
        Ok(())
    }

    /// Reserves room behind the last line, whose place stays the file's end: a crash leaves no zeros there. Where the
    /// file system has no such thing, or no room, there is none, and a line may find the disk full.
    fn reserve(&mut self) {
        if self.reserved.saturating_sub(self.bytes) >= AHEAD_BYTES / 2 {
            return;
        }
        let (Ok(from), Ok(ahead)) = (i64::try_from(self.bytes), i64::try_from(AHEAD_BYTES)) else { return };
        if fallocate(&self.file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, ahead).is_ok() {
            self.reserved = self.bytes.saturating_add(AHEAD_BYTES);
        }
    }

    /// Takes back what stands behind the last line, and with it what was reserved there.
    fn cut(&mut self) -> io::Result<()> {
        self.reserved = 0;
        self.file.set_len(self.bytes)
    }

    /// One write(2). Where it takes less than all of it (the disk is full, a limit), the part is taken back: the
    /// file ends with a whole line again, and if even that fails, the next attempt mends it, or the next start.
    fn write_whole(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.cut()?;
            self.torn = false;
        }
        let written = loop {
            match self.file.write(line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if written == line.len() {
            return Ok(());
        }
        self.torn = self.cut().is_err();
        Err(io::Error::new(io::ErrorKind::StorageFull, "only a part of the line could be written"))
    }

    /// Begins a new file. The new one is there before the old one is renamed: a full disk changes nothing.
    fn rotate(&mut self) -> Result<(), Error> {
        let failed = || file("begin a new file of", &self.path, "free space on its disk");
        self.file.sync_data().map_err(failed())?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_APPEND;
        let fresh = self.folder.file(FRESH, flags).map_err(failed())?;
        let older = self.folder.older()?;
        // An interrupted rotation has left a gap: the files behind it stay where they are.
        let free = (1..).find(|number| !older.contains(number)).unwrap_or(u32::MAX);
        for number in (1..free).rev() {
            self.folder.rename(&suffix(number), &suffix(number.saturating_add(1))).map_err(failed())?;
        }
        self.folder.rename("", &suffix(1)).map_err(failed())?;
        self.folder.rename(FRESH, "").map_err(failed())?;
        // The one that is closed needs no more room.
        let _kept = self.file.set_len(self.bytes);
        (self.file, self.bytes, self.reserved) = (fresh, 0, 0);
        self.folder.sync().map_err(failed())
    }
}

/// The suffix of the next file while it is made.
const FRESH: &str = ".new";

/// The number of the first line of an older file.
fn first_seq(folder: &Folder, number: u32) -> Option<u64> {
    let opened = folder.file(&suffix(number), OFlag::O_RDONLY).ok()?;
    let most = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    BufReader::new(opened.take(most)).read_until(b'\n', &mut line).ok()?;
    Some(decode(&line).ok()?.seq)
}

fn lock(folder: &Folder, path: &Path) -> Result<Flock<File>, Error> {
    let failed = || file("lock the folder of", path, "check the file system");
    let mut directory = folder.directory.try_clone().map_err(failed())?;
    for _ in 0..LOCK_TRIES {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((returned, Errno::EWOULDBLOCK | Errno::EINTR)) => directory = returned,
            Err((_, errno)) => return Err(failed()(errno.into())),
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(Error::InUse { path: path.to_owned() })
}

fn open_file(folder: &Folder) -> Result<File, Error> {
    let path = folder.path("");
    let opened = folder.file("", OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_APPEND);
    let opened = opened.map_err(file(
        "open",
        &path,
        "it must be a file of the user who runs cofferdam, and no link",
    ))?;
    let metadata = opened.metadata().map_err(file("look at", &path, "check the file system"))?;
    if !metadata.is_file() {
        let cause = io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file");
        return Err(file("open", &path, "move it away: the log is written as a file of its own")(cause));
    }
    // What is in it tells which calls a module makes: that is the operator's business only.
    fchmod(&opened, Mode::S_IRUSR | Mode::S_IWUSR).map_err(io::Error::from).map_err(file(
        "set the mode of",
        &path,
        "check its owner",
    ))?;
    folder.sync().map_err(file("write to the disk", &path, "check the disk"))?;
    Ok(opened)
}
