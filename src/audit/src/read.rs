//! The reader: every line from the oldest file to the newest, each checked before it is handed out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::error::{Broken, Error, file};
use crate::files::{Folder, suffix};
use crate::line::{Entry, Head, MAX_LINE_BYTES, begins, decode, follows};

/// The launcher may be writing: it may rotate while the files are opened, and its last line may be there in part.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Reads a log, in the order in which it was written. After an error it ends: what stands behind a broken line
/// proves nothing.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<Part>,
    head: Option<Head>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    reader: BufReader<File>,
    lines: u64,
}

impl Reader {
    /// Opens all files of the log at `path`. It locks nothing and changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none of them, [`Error::File`] if one cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let folder = Folder::open(path)?;
        for _ in 0..TRIES {
            if let Some(parts) = parts(&folder)? {
                if parts.is_empty() {
                    return Err(Error::Missing { path: path.to_owned() });
                }
                return Ok(Self { parts, head: None });
            }
            std::thread::sleep(PAUSE);
        }
        Err(file("open all parts of", path, "it is rotated again and again: try once more")(
            Errno::EAGAIN.into(),
        ))
    }

    /// The oldest file.
    pub(crate) fn oldest(&self) -> Option<PathBuf> {
        self.parts.front().map(|part| part.path.clone())
    }

    /// The last line that was handed out.
    pub(crate) fn head(&self) -> Option<Head> {
        self.head
    }

    fn read(&mut self) -> Option<Result<Entry, Error>> {
        loop {
            let is_newest = self.parts.len() == 1;
            let part = self.parts.front_mut()?;
            let line = match part.read_line(is_newest) {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            if line.is_empty() {
                self.parts.pop_front();
                continue;
            }
            let before = self.head;
            let checked = decode(&line).and_then(|entry| {
                follows(&entry, before)?;
                if part.lines == 1 {
                    begins(&entry)?
                }
                Ok(entry)
            });
            self.head = checked.as_ref().ok().map(Entry::head);
            let broken = |flaw| Error::Broken(Broken { file: part.path.clone(), line: part.lines, flaw });
            return Some(checked.map_err(broken));
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if matches!(read, Some(Err(_))) {
            self.parts.clear();
        }
        read
    }
}

impl Part {
    /// One line with its line feed; none at the end. A torn end of the newest file may be a line that is being
    /// written: it is waited for, a little.
    fn read_line(&mut self, is_newest: bool) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        for _ in 0..TRIES {
            let room = MAX_LINE_BYTES.saturating_add(1).saturating_sub(line.len());
            let mut bounded = self.reader.by_ref().take(u64::try_from(room).unwrap_or(u64::MAX));
            bounded.read_until(b'\n', &mut line).map_err(file(
                "read",
                &self.path,
                "check the file system",
            ))?;
            if !is_newest || line.is_empty() || line.ends_with(b"\n") || line.len() > MAX_LINE_BYTES {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        self.lines = self.lines.saturating_add(u64::from(!line.is_empty()));
        Ok(line)
    }
}

/// The files, the oldest first; `None` if they were rotated while they were opened.
fn parts(folder: &Folder) -> Result<Option<VecDeque<Part>>, Error> {
    let listed = folder.older()?;
    let suffixes = listed.iter().map(|number| suffix(*number)).chain([String::new()]);
    let mut parts = VecDeque::new();
    for suffix in suffixes {
        let path = folder.path(&suffix);
        match folder.file(&suffix, OFlag::O_RDONLY) {
            Ok(opened) => parts.push_back(Part { path, reader: BufReader::new(opened), lines: 0 }),
            // A launcher that died in the middle of a rotation has left none.
            Err(error) if error.kind() == ErrorKind::NotFound && suffix.is_empty() => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let fix = "it is for the user who runs cofferdam, and for root";
                return Err(file("open", path, fix)(error));
            }
        }
    }
    Ok((folder.older()? == listed && is_present(folder, parts.back())).then_some(parts))
}

/// Whether the file that was opened last still has the name of the log.
fn is_present(folder: &Folder, newest: Option<&Part>) -> bool {
    let identity = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    match (newest, folder.file("", OFlag::O_RDONLY)) {
        (Some(part), Ok(now)) => {
            part.path != folder.path("") || identity(part.reader.get_ref()) == identity(&now)
        }
        (_, _) => true,
    }
}
