//! Reads the whole log and says whether it is what was written.

use std::path::Path;

use crate::error::{Broken, Error, Flaw};
use crate::{Hash, Reader, Record};

/// A log whose chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many lines there are; none in a log that was just made.
    pub lines: u64,
    /// The number of the first; above 1 when rotation has removed older files.
    pub first_seq: u64,
    /// The number of the last.
    pub last_seq: u64,
    /// The hash of the last: what to keep elsewhere.
    pub head: Hash,
    /// The number of the line with the hash that was looked for, if one was.
    pub known_seq: Option<u64>,
}

/// Reads every line of the log at `path`. With `known`, the hash of a line that somebody kept, also that this line
/// is in it: then nothing up to it was changed, even by somebody who can write the log.
///
/// # Errors
/// [`Error::Broken`] with the first line that is not what was written; [`Error::HeadMissing`]; or what keeps the log
/// from being read.
pub fn verify(path: &Path, known: Option<Hash>) -> Result<Verified, Error> {
    let mut reader = Reader::open(path)?;
    let oldest_file = reader.oldest().unwrap_or_else(|| path.to_owned());
    let mut kept = 1;
    let (mut lines, mut first, mut known_seq) = (0_u64, None, None);
    for entry in &mut reader {
        let entry = entry?;
        lines = lines.saturating_add(1);
        first.get_or_insert(entry.seq);
        if Some(entry.hash) == known {
            known_seq = Some(entry.seq);
        }
        if let Record::Continues { oldest: Some(oldest) } = entry.record {
            kept = oldest;
        }
    }
    let (last_seq, head) = reader.head().map_or((0, Hash::ZERO), |head| (head.seq, head.hash));
    let first_seq = first.unwrap_or(0);
    if first_seq > kept {
        let flaw = Flaw::OlderRemoved { kept, found: first_seq };
        return Err(Error::Broken(Broken { file: oldest_file, line: 1, flaw }));
    }
    match known {
        Some(head) if known_seq.is_none() => {
            Err(Error::HeadMissing { head, first: first_seq, last: last_seq })
        }
        _ => Ok(Verified { lines, first_seq, last_seq, head, known_seq }),
    }
}
