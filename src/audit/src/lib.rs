//! The audit log: every launch, denial and end, one JSON line each, chained by hashes.
//!
//! The launcher writes it and nobody else; `cofferdam audit-log` and `cofferdam why` read it. What was written is
//! never changed or removed here, but for whole files that rotation makes too many. It never decides anything: a
//! record tells what was done.
//!
//! # What the chain proves
//! A line holds its number, the hash of the line before it, and its own hash. A byte that was changed and a line that was
//! removed, inserted or moved are found by [`verify`] alone. Two things are not, since the log holds no secret:
//! lines that were cut off at the end, and a log that somebody with the right to write it has made anew from some
//! line on. Both are found against a head: the hash of the last line, which the launcher prints when it
//! starts and stops, kept where the writer of the log cannot reach it.
//!
//! # What survives
//! A line is one write(2). What was written survives the death of the launcher in any moment, SIGKILL too. A loss of power
//! is another matter: the disk takes longer than a launch (fdatasync(2): milliseconds), so nobody waits for it. After
//! starts, launches, ends and grants the log asks to be synced ([`Log::wants_sync`]), and the launcher does so as soon as
//! nothing else waits for it, a fifth of a second later at most. Denials do not ask, since a hostile module could make
//! the launcher wait at will: loss of power can take those of the last half minute, unless something was launched or
//! ended meanwhile.

#![forbid(unsafe_code)]

mod error;
mod files;
mod line;
mod log;
mod rate;
mod read;
mod record;
mod recover;
mod text;
mod time;
mod verify;

use std::path::{Path, PathBuf};

pub use cofferdam_hash::Hash;
pub use error::{Broken, Error, Flaw};
pub use line::Entry;
pub use log::{Log, Rotation};
pub use rate::{Admission, RateLimit};
pub use read::Reader;
pub use record::{Argument, Denial, Limit, Record, Signer, Verdict};
pub use text::Text;
pub use verify::{Verified, verify};

/// Where the log lies, given the config's `state_dir`: in a folder of its own, since it is locked as a whole.
#[must_use]
pub fn location(state_dir: &Path) -> PathBuf {
    state_dir.join("audit").join("log.jsonl")
}
