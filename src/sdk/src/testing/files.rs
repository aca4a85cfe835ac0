//! A module's data directory as the file calls see it, in memory. It never touches the test's disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use cofferdam_protocol::files::{
    DirectoryEntry, DirectoryPage, FileKind, FileMetadata, FileRange, MAX_FILE_BYTES, MAX_NAMES,
    MAX_RANGE_BYTES,
};
use cofferdam_protocol::{ApiError, BoundedVec};

use super::builtin::invalid;

/// The content of files and nothing for directories, by their paths.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Option<Bytes>>);

impl Files {
    pub(super) fn read(&self, path: &str) -> Result<Bytes, ApiError> {
        check(path)?;
        match self.0.get(path) {
            Some(Some(data)) => Ok(data.clone()),
            Some(None) => Err(invalid("path", format!("{path} is a directory"))),
            None => Err(ApiError::NotFound { what: path.to_owned() }),
        }
    }

    pub(super) fn read_range(&self, path: &str, offset: u64, length: u32) -> Result<FileRange, ApiError> {
        if !(1..=MAX_RANGE_BYTES).contains(&length) {
            return Err(invalid("length", format!("{length}; it must be 1 to {MAX_RANGE_BYTES}")));
        }
        let whole = self.read(path)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(whole.len());
        Ok(FileRange { data: whole.slice(from..to), file_bytes: size(&whole) })
    }

    pub(super) fn write(&mut self, path: &str, data: Bytes) -> Result<(), ApiError> {
        check(path)?;
        if data.len() > MAX_FILE_BYTES {
            return Err(invalid(
                "data",
                format!("{} bytes; one call writes at most {MAX_FILE_BYTES}", data.len()),
            ));
        }
        if let Some(None) = self.0.get(path) {
            return Err(invalid("path", format!("{path} is a directory")));
        }
        self.parent_of(path)?;
        self.0.insert(path.to_owned(), Some(data));
        Ok(())
    }

    pub(super) fn delete(&mut self, path: &str) -> Result<(), ApiError> {
        check(path)?;
        if self.below(path).next().is_some() {
            return Err(invalid("path", format!("{path} is not empty")));
        }
        self.0.remove(path).map(|_| ()).ok_or_else(|| ApiError::NotFound { what: path.to_owned() })
    }

    pub(super) fn create_directory(&mut self, path: &str) -> Result<(), ApiError> {
        check(path)?;
        self.parent_of(path)?;
        if self.0.contains_key(path) {
            return Err(invalid("path", format!("{path} exists already")));
        }
        self.0.insert(path.to_owned(), None);
        Ok(())
    }

    pub(super) fn list(&self, path: &str, after: Option<&str>) -> Result<DirectoryPage, ApiError> {
        let path = if path == "." { "" } else { path };
        if !path.is_empty() {
            check(path)?;
            match self.0.get(path) {
                Some(None) => {}
                Some(Some(_)) => return Err(invalid("path", format!("{path} is not a directory"))),
                None => return Err(ApiError::NotFound { what: path.to_owned() }),
            }
        }
        let direct = self.below(path).filter(|(name, _)| !name.contains('/'));
        let mut rest = direct.filter(|(name, _)| after.is_none_or(|after| *name > after));
        let entry = |(name, kind): (&str, FileKind)| DirectoryEntry { name: name.to_owned(), kind };
        let entries: Vec<DirectoryEntry> = rest.by_ref().take(MAX_NAMES).map(entry).collect();
        Ok(DirectoryPage { more: rest.next().is_some(), entries: BoundedVec::truncated(entries) })
    }

    pub(super) fn metadata(&self, path: &str) -> Result<Option<FileMetadata>, ApiError> {
        if path.is_empty() || path == "." {
            return Ok(Some(FileMetadata { kind: FileKind::Directory, bytes: 0, modified_ms: 0 }));
        }
        check(path)?;
        Ok(self.0.get(path).map(|data| FileMetadata {
            kind: kind(data.as_ref()),
            bytes: data.as_ref().map_or(0, size),
            modified_ms: 0,
        }))
    }

    /// What lies below a directory, by its path from there.
    fn below<'f>(&'f self, path: &'f str) -> impl Iterator<Item = (&'f str, FileKind)> {
        self.0.iter().filter_map(move |(whole, data)| {
            let rest = whole.strip_prefix(path)?;
            let rest = if path.is_empty() { rest } else { rest.strip_prefix('/')? };
            Some((rest, kind(data.as_ref())))
        })
    }

    fn parent_of(&self, path: &str) -> Result<(), ApiError> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        match self.0.get(parent) {
            Some(None) => Ok(()),
            Some(Some(_)) => Err(invalid("path", format!("{parent} is not a directory"))),
            None => Err(ApiError::NotFound { what: parent.to_owned() }),
        }
    }
}

fn kind(data: Option<&Bytes>) -> FileKind {
    if data.is_some() { FileKind::File } else { FileKind::Directory }
}

fn size(data: &Bytes) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn check(path: &str) -> Result<(), ApiError> {
    let wrong = |name: &str| matches!(name, "" | "." | "..") || name.len() > 255 || name.contains('\0');
    if path.split('/').any(wrong) || path.len() > 4095 {
        let problem = format!("{path:?} must be relative, with '/' between names, without '.', '..' and NUL");
        return Err(invalid("path", problem));
    }
    Ok(())
}
