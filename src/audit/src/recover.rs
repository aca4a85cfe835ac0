//! The end of a log that is opened again: the last line, and what a crash left behind it.
//!
//! A torn line is moved to a file beside the log before it is cut off, so that no byte is lost and the chain
//! goes on from the last whole line. Whatever dies in between, the next start finds either the line still in the
//! log, or the file, whose name says that no record tells of it yet.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, Write};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::error::{Broken, Error, Flaw, file};
use crate::files::{Folder, suffix};
use crate::line::{Head, MAX_LINE_BYTES, decode};
use crate::{Hash, Record, Text};

/// How much may stand behind the last line feed: one line, or as much as a file system fills with zeros when
/// the power fails.
const MAX_TORN_BYTES: u64 = 4 * 1024 * 1024;

/// How many torn lines may wait for their record.
const MAX_TORN_FILES: u32 = 100;

/// What was found at the end of a file.
struct Tail {
    /// The last whole line; none in a file without one.
    head: Option<Head>,
    /// How long the file is without what is torn.
    whole_bytes: u64,
    /// What stands behind the last whole line.
    torn: Vec<u8>,
}

/// The head of the log, the length of the file that is written, and what there is to record.
pub(crate) fn resume(folder: &Folder, log: &File) -> Result<(Head, u64, Vec<Record>), Error> {
    let tail = tail(folder, "", log)?;
    let head = match tail.head {
        Some(head) => head,
        None => head_of_older(folder)?,
    };
    if !tail.torn.is_empty() {
        keep(folder, head, &tail.torn)?;
        let failed = file("cut off a torn line of", folder.path(""), "check the file system");
        log.set_len(tail.whole_bytes).and_then(|()| log.sync_all()).map_err(failed)?;
    }
    Ok((head, tail.whole_bytes, unrecorded(folder, head)?))
}

/// The last line of the latest older file: the file that is written may be new and empty.
fn head_of_older(folder: &Folder) -> Result<Head, Error> {
    let Some(latest) = folder.older()?.last().copied() else { return Ok(Head::NONE) };
    let suffix = suffix(latest);
    let path = folder.path(&suffix);
    let opened = folder.file(&suffix, OFlag::O_RDONLY);
    let opened = opened.map_err(file(
        "open the older part of the audit log",
        path.as_path(),
        "check its owner and mode",
    ))?;
    let tail = tail(folder, &suffix, &opened)?;
    match tail.head {
        Some(head) if tail.torn.is_empty() => Ok(head),
        _ => Err(broken(folder, &suffix, &opened, Flaw::Torn)?),
    }
}

fn tail(folder: &Folder, suffix: &str, log: &File) -> Result<Tail, Error> {
    let path = folder.path(suffix);
    let failed = || file("read the end of", path.as_path(), "check the file system");
    let size = log.metadata().map_err(failed())?.len();
    let most = MAX_TORN_BYTES.saturating_add(u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX));
    let start = size.saturating_sub(most);
    let mut bytes = vec![0; usize::try_from(size - start).unwrap_or_default()];
    log.read_exact_at(&mut bytes, start).map_err(failed())?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = bytes.split_off(whole);
    let too_much = u64::try_from(torn.len()).unwrap_or(u64::MAX) > MAX_TORN_BYTES;
    if too_much || (bytes.is_empty() && start > 0) {
        return Err(broken(folder, suffix, log, Flaw::TooLong)?);
    }
    let whole_bytes = start.saturating_add(u64::try_from(whole).unwrap_or_default());
    let Some((_, before)) = bytes.split_last() else { return Ok(Tail { head: None, whole_bytes, torn }) };
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    match decode(bytes.get(begin..).unwrap_or_default()) {
        Ok(entry) => Ok(Tail { head: Some(entry.head()), whole_bytes, torn }),
        Err(flaw) => Err(broken(folder, suffix, log, flaw)?),
    }
}

/// An error about the last line.
fn broken(folder: &Folder, suffix: &str, log: &File, flaw: Flaw) -> Result<Error, Error> {
    let path = folder.path(suffix);
    let mut reader = BufReader::new(log);
    reader.rewind().map_err(file("read", path.as_path(), "check the file system"))?;
    let mut lines = 0_u64;
    let mut torn = false;
    loop {
        let part = reader.fill_buf().map_err(file("read", path.as_path(), "check the file system"))?;
        if part.is_empty() {
            break;
        }
        let ends = part.iter().filter(|byte| **byte == b'\n').count();
        lines = lines.saturating_add(u64::try_from(ends).unwrap_or(u64::MAX));
        torn = part.last() != Some(&b'\n');
        let length = part.len();
        reader.consume(length);
    }
    Ok(Error::Broken(Broken { file: path, line: lines.saturating_add(u64::from(torn)), flaw }))
}

fn torn_suffix(head: Head, copy: u32) -> String {
    let seq = head.seq.saturating_add(1);
    if copy == 0 { format!(".torn-{seq}") } else { format!(".torn-{seq}-{copy}") }
}

/// Copies the torn bytes into a new file, and onto the disk.
fn keep(folder: &Folder, head: Head, torn: &[u8]) -> Result<(), Error> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    for copy in 0..MAX_TORN_FILES {
        let suffix = torn_suffix(head, copy);
        let path = folder.path(&suffix);
        let failed = || {
            file(
                "keep a torn line of the audit log in",
                &path,
                "free space, and start again: nothing is lost",
            )
        };
        match folder.file(&suffix, flags) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(failed()(error)),
            Ok(mut kept) => {
                let written =
                    kept.write_all(torn).and_then(|()| kept.sync_all()).and_then(|()| folder.sync());
                if let Err(cause) = written {
                    // Not whole: the bytes are still in the log, and the next start copies them.
                    let _still_in_the_log = folder.remove(&suffix);
                    return Err(failed()(cause));
                }
                return Ok(());
            }
        }
    }
    let fix = "the disk is full again and again: free space, and move the torn files away";
    Err(file("keep a torn line beside", folder.path(""), fix)(Errno::EEXIST.into()))
}

/// A record for every file of a torn line that no record tells of.
fn unrecorded(folder: &Folder, head: Head) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for copy in 0..MAX_TORN_FILES {
        let suffix = torn_suffix(head, copy);
        let path = folder.path(&suffix);
        let failed = || file("read", path.as_path(), "check the file system");
        let kept = match folder.file(&suffix, OFlag::O_RDONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            other => other.map_err(failed())?,
        };
        let size = kept.metadata().map_err(failed())?.len().min(MAX_TORN_BYTES);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        kept.read_exact_at(&mut bytes, 0).map_err(failed())?;
        let kept_in = Text::new(&folder.name(&suffix).to_string_lossy());
        records.push(Record::Recovered { bytes: size, sha256: Hash::of(&bytes), kept_in });
    }
    Ok(records)
}
