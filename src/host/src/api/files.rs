//! Calls about files in a module's own data directory. What a path may be is decided in `cofferdam-files`; here
//! sizes are checked and errors put in the words of the protocol.

use bytes::Bytes;
use cofferdam_files::{DataDirectory, FilesError, Kind};
use cofferdam_protocol::calls::{
    CreateDirectory, DeleteFile, GetFileMetadata, ListDirectory, ReadFile, ReadFileRange, WriteFile,
};
use cofferdam_protocol::files::{
    DirectoryEntry, DirectoryPage, FileKind, FileMetadata, FileRange, MAX_FILE_BYTES, MAX_NAMES,
    MAX_RANGE_BYTES,
};
use cofferdam_protocol::{ApiError, BoundedVec};

use super::Host;
use super::failure::invalid;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use crate::files::FilesFailure;

impl Handle<ReadFile> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, caller: &Caller, call: Authorized<ReadFile>) -> Result<Bytes, ApiError> {
        let ReadFile { path } = call.into_call();
        // One read, so that a file that is being replaced is read before or after it, not half and half.
        let chunk = self.in_files(caller, move |files| files.read(&path, 0, MAX_FILE_BYTES)).await?;
        let read = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
        if read < chunk.total_bytes {
            let problem = format!(
                "the file has {} bytes, of which one call reads {read}; use read_file_range",
                chunk.total_bytes
            );
            return Err(invalid("path", problem));
        }
        Ok(chunk.bytes.into())
    }
}

impl Handle<ReadFileRange> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, caller: &Caller, call: Authorized<ReadFileRange>) -> Result<FileRange, ApiError> {
        let ReadFileRange { path, offset, length } = call.into_call();
        let wanted = usize::try_from(length).ok().filter(|_| (1..=MAX_RANGE_BYTES).contains(&length));
        let wanted = wanted
            .ok_or_else(|| invalid("length", format!("{length}; it must be 1 to {MAX_RANGE_BYTES}")))?;
        let chunk = self.in_files(caller, move |files| files.read(&path, offset, wanted)).await?;
        Ok(FileRange { data: chunk.bytes.into(), file_bytes: chunk.total_bytes })
    }
}

impl Handle<WriteFile> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<WriteFile>) -> Result<(), ApiError> {
        let WriteFile { path, data } = call.into_call();
        if data.len() > MAX_FILE_BYTES {
            let problem = format!("{} bytes; one call writes at most {MAX_FILE_BYTES}", data.len());
            return Err(invalid("data", problem));
        }
        self.change_files(caller, move |files| files.write(&path, &data)).await
    }
}

impl Handle<DeleteFile> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<DeleteFile>) -> Result<(), ApiError> {
        let DeleteFile { path } = call.into_call();
        self.change_files(caller, move |files| files.delete(&path)).await
    }
}

impl Handle<ListDirectory> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<ListDirectory>,
    ) -> Result<DirectoryPage, ApiError> {
        let ListDirectory { path, after } = call.into_call();
        let page = self
            .in_files(caller, move |files| files.list(directory(&path), after.as_deref(), MAX_NAMES))
            .await?;
        let more = page.next.is_some();
        let entries = page.entries.into_iter();
        let entries = entries.map(|entry| DirectoryEntry { name: entry.name, kind: kind(entry.kind) });
        Ok(DirectoryPage { entries: BoundedVec::truncated(entries), more })
    }
}

impl Handle<CreateDirectory> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<CreateDirectory>) -> Result<(), ApiError> {
        let CreateDirectory { path } = call.into_call();
        self.change_files(caller, move |files| files.create_directory(&path)).await
    }
}

impl Handle<GetFileMetadata> for Host {
    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<GetFileMetadata>,
    ) -> Result<Option<FileMetadata>, ApiError> {
        let GetFileMetadata { path } = call.into_call();
        let found = self
            .in_files(caller, move |files| match files.metadata(directory(&path)) {
                Err(FilesError::NotFound { .. }) => Ok(None),
                found => found.map(Some),
            })
            .await?;
        Ok(found.map(|found| FileMetadata {
            kind: kind(found.kind),
            bytes: found.bytes,
            modified_ms: u64::try_from(found.modified_unix_ms).unwrap_or(0),
        }))
    }
}

impl Host {
    /// Does something that changes how much the data directory holds, and notes how much that is.
    async fn change_files<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&DataDirectory) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // A change that was made is answered as made, whether or not the count is known.
        let work = move |files: &DataDirectory| work(files).map(|done| (done, files.usage().ok()));
        let (done, usage) = self.in_files(caller, work).await?;
        if let Some(usage) = usage {
            self.note_use(&caller.module.name, self.local().files.fills(&caller.module.name, usage));
        }
        Ok(done)
    }

    async fn in_files<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&DataDirectory) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.local().files.with(&caller.module.name, work).await;
        done.map_err(|failure| match failure {
            FilesFailure::Refused(error) => self.refused(error),
            FilesFailure::Broken(broken) => self.fault(&broken),
            FilesFailure::NoDirectory => ApiError::Unsupported {
                backend: "the core".to_owned(),
                reason: "it was given no data directory for this module".to_owned(),
            },
        })
    }

    fn refused(&self, error: FilesError) -> ApiError {
        match error {
            FilesError::TooLarge { .. } => invalid("data", error.to_string()),
            FilesError::NotFound { path } => ApiError::NotFound { what: path },
            FilesError::InvalidPath { .. }
            | FilesError::AlreadyExists { .. }
            | FilesError::WrongKind { .. }
            | FilesError::NotADirectory { .. }
            | FilesError::NotEmpty { .. }
            | FilesError::Link { .. }
            | FilesError::HardLink { .. }
            | FilesError::OtherMount { .. }
            | FilesError::PermissionDenied { .. }
            | FilesError::Uncountable { .. }
            | FilesError::TooManyEntries { .. } => invalid("path", error.to_string()),
            FilesError::QuotaExceeded { unit, used, limit, needed } => ApiError::QuotaExceeded {
                what: format!("the data directory's {unit}"),
                requested: used.saturating_add(needed),
                limit,
            },
            FilesError::DiskFull { .. } => {
                // The operator's: the log line is what makes them act.
                let _ = self.fault(&error);
                ApiError::NotReady {
                    reason: "the disk is full, and the operator has to make room".to_owned(),
                }
            }
            FilesError::Busy { path, .. } => ApiError::Conflict { what: path },
            FilesError::Unsupported => {
                ApiError::Unsupported { backend: "this kernel".to_owned(), reason: error.to_string() }
            }
            FilesError::EmptyPage | FilesError::QuotaTooLarge { .. } | FilesError::Io { .. } => {
                self.fault(&error)
            }
        }
    }
}

/// The data directory itself may be written as `.` too.
fn directory(path: &str) -> &str {
    if path == "." { "" } else { path }
}

fn kind(kind: Kind) -> FileKind {
    match kind {
        Kind::File => FileKind::File,
        Kind::Directory => FileKind::Directory,
        Kind::Link | Kind::Other => FileKind::Other,
    }
}
