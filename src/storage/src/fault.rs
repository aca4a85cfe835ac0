//! What sled does when something fails, turned into values: its errors, and its panics too. Never lets a panic out.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::error::StorageError;
use crate::files::is_full;

/// A failure after which the database must be opened again: what is in memory may not be what is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    DiskFull,
    Corrupt(String),
    Io(String),
}

/// Why a call stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The call was refused; the store goes on.
    Refused(StorageError),
    /// The store is closed.
    Fault(Fault),
}

impl Fault {
    pub(crate) fn corrupt(reason: &str) -> Self {
        Self::Corrupt(reason.to_owned())
    }

    /// The error of the call that met the fault, and of all calls after it.
    pub(crate) fn error(&self, dir: &Path) -> StorageError {
        let dir = dir.to_owned();
        match self {
            Self::DiskFull => StorageError::DiskFull { dir },
            Self::Corrupt(reason) => StorageError::Corrupt { dir, reason: reason.clone() },
            Self::Io(reason) => StorageError::Closed { dir, reason: reason.clone() },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        if is_full(&error) {
            Self::DiskFull
        } else if matches!(error.kind(), UnexpectedEof | InvalidData | NotFound) {
            Self::Corrupt(format!("part of it is missing: {error}"))
        } else {
            Self::Io(error.to_string())
        }
    }
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. } => Self::Corrupt(error.to_string()),
        }
    }
}

impl<Cause: Into<Fault>> From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Fault(cause.into())
    }
}

impl From<StorageError> for Stop {
    fn from(refusal: StorageError) -> Self {
        Self::Refused(refusal)
    }
}

/// Does `work`; a panic is a fault. Whoever gets a fault throws away all that `work` could have left half done.
pub(crate) fn guarded<Done, Why: From<Fault>>(work: impl FnOnce() -> Result<Done, Why>) -> Result<Done, Why> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(panic) => {
            Err(Fault::Corrupt(format!("the database panicked: {}", message(panic.as_ref()))).into())
        }
    }
}

/// The first line of a panic's message, shortened: it goes into logs.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
