//! What can go wrong: with a file, or with what the log says.

use std::path::PathBuf;

use crate::Hash;

/// An error of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or its folder.
    #[error("{doing} {}: {cause}; {fix}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The kernel's reason.
        cause: std::io::Error,
        /// What to do.
        fix: &'static str,
    },
    /// Another process writes this log.
    #[error("audit log {}: another process writes it; one log has one writer: stop the other cofferdam", path.display())]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// A record that makes a line over the limit; a defect of the caller.
    #[error("audit record of {0} bytes: over the limit of one line")]
    TooLong(usize),
    /// A record that JSON cannot express; a defect of the caller.
    #[error("audit record")]
    Encode(#[source] serde_json::Error),
    /// There is no log.
    #[error("no audit log at {}; the launcher writes it: has cofferdam run with this config?", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The chain does not hold.
    #[error(transparent)]
    Broken(Broken),
    /// The head that somebody kept is not in the log.
    #[error(
        "the log is whole in itself, but none of its lines {first} to {last} has the hash {head}: lines were cut off \
         at its end, or it was made anew, or the line is so old that rotation has removed it"
    )]
    HeadMissing {
        /// The hash that was looked for.
        head: Hash,
        /// The number of the first line.
        first: u64,
        /// The number of the last line.
        last: u64,
    },
}

/// Where the chain does not hold, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {flaw}", file.display())]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No line feed at its end.
    #[error("the line is torn: it has no end (a crash, a full disk, or it was cut)")]
    Torn,
    /// Longer than any line that is written.
    #[error("the line is longer than any that cofferdam writes")]
    TooLong,
    /// Not of the form that is written.
    #[error("not a line of an audit log: {0}")]
    Malformed(String),
    /// It does not have the hash that it states.
    #[error("the line was changed: it does not have the hash that it states")]
    Changed,
    /// Its number does not follow.
    #[error("the line has number {found} where {expected} must stand: lines were removed, inserted or moved")]
    OutOfOrder {
        /// What must stand there.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// It does not name the hash of the line before it.
    #[error("the line does not follow the one before it: that one was replaced")]
    Unchained,
    /// The first line of a file that is none.
    #[error(
        "a file begins with line 1 or by saying that it continues another: the lines before this one were removed"
    )]
    FalseStart,
    /// The log itself says that older lines are kept.
    #[error(
        "the oldest line here has number {found}, but {kept} was kept by rotation: older files were removed"
    )]
    OlderRemoved {
        /// What the log says is the oldest.
        kept: u64,
        /// What is.
        found: u64,
    },
}

/// Names the file when something with it failed.
pub(crate) fn file(
    doing: &'static str,
    path: impl Into<PathBuf>,
    fix: &'static str,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |cause| Error::File { doing, path, cause, fix }
}
