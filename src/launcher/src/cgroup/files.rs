//! Reading, writing and removing cgroup files and directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::Error;

/// A killed process leaves its cgroup when it is reaped by the kernel, which may take a moment: a directory
/// is tried this often, with this pause.
const REMOVE_TRIES: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);

/// Longer than the kernel's longest answer to any of the files read here.
const MAX_FILE_BYTES: usize = 1024 * 1024;

pub(super) fn error(path: &Path, doing: impl Into<String>, cause: impl std::fmt::Display) -> Error {
    Error::Cgroup { path: path.to_owned(), doing: doing.into(), cause: cause.to_string() }
}

/// Makes a directory. A leftover of that name, with foreign processes or limits, is removed first.
pub(super) fn make(directory: &Path) -> Result<(), Error> {
    if directory.exists() {
        remove(directory)?;
    }
    fs::create_dir(directory).map_err(|cause| error(directory, "create", cause))
}

/// Makes a directory that others may have made, and may be in: it is left as it is.
pub(super) fn share(directory: &Path) -> Result<(), Error> {
    match fs::create_dir(directory) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(error(directory, "create", cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn read(directory: &Path, name: &str) -> Result<String, Error> {
    let path = directory.join(name);
    let text = fs::read_to_string(&path).map_err(|cause| error(&path, "read", cause))?;
    if text.len() > MAX_FILE_BYTES {
        Err(error(&path, "read", "too long"))
    } else {
        Ok(text.trim_end().to_owned())
    }
}

pub(super) fn write(directory: &Path, name: &str, value: &str) -> Result<(), Error> {
    let path = directory.join(name);
    fs::write(&path, value).map_err(|cause| error(&path, format!("write {value:?}"), cause))
}

/// Writes a limit and reads it back: a limit the kernel did not take is an error.
pub(super) fn limit(directory: &Path, name: &str, value: &str) -> Result<(), Error> {
    write(directory, name, value)?;
    let taken = read(directory, name)?;
    if taken == value {
        return Ok(());
    }
    let cause = format!("the kernel has taken {taken:?}");
    Err(error(&directory.join(name), format!("set the limit {value:?}"), cause))
}

pub(super) fn number(directory: &Path, name: &str) -> Result<u64, Error> {
    let text = read(directory, name)?;
    text.parse().map_err(|_| error(&directory.join(name), "read", format!("not a number: {text:?}")))
}

/// The number after `key` in a file of `key number` lines.
pub(super) fn keyed(directory: &Path, name: &str, key: &str) -> Result<u64, Error> {
    let text = read(directory, name)?;
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    found.ok_or_else(|| error(&directory.join(name), "read", format!("no line {key:?}")))
}

/// Kills every process in the cgroup, waits for the kernel to let them go, and removes the directory.
pub(super) fn remove(directory: &Path) -> Result<(), Error> {
    let mut last = None;
    for _ in 0..REMOVE_TRIES {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => last = Some(cause),
        }
        kill_members(directory);
        std::thread::sleep(REMOVE_PAUSE);
    }
    let cause = last.map_or_else(String::new, |cause| cause.to_string());
    Err(error(directory, "remove", cause))
}

/// Every process of a cgroup that is ours gets SIGKILL; on v2 the kernel does it in one step.
fn kill_members(directory: &Path) {
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()).filter(|pid: &i32| *pid > 0) {
        // The process may have ended since the file was read; removal is tried again anyway.
        let _ended_meanwhile = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Removes a subtree of ours that an earlier launcher left behind, processes included.
pub(crate) fn remove_leftovers(parents: &[PathBuf]) -> Result<(), Error> {
    for parent in parents {
        let entries = match fs::read_dir(parent) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(error(parent, "list", cause)),
        };
        for entry in entries {
            let path = entry.map_err(|cause| error(parent, "list", cause))?.path();
            if path.is_dir() {
                remove(&path)?;
            }
        }
        remove(parent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_shared_is_left_as_it_is_and_what_is_ours_is_made_anew() {
        let base = tempfile::tempdir().unwrap();
        let (shared, own) = (base.path().join("shared"), base.path().join("own"));
        let identity = |path: &Path| fs::metadata(path).unwrap().ino();
        share(&shared).unwrap();
        let before = identity(&shared);
        fs::create_dir(shared.join("of-another")).unwrap();
        share(&shared).unwrap();
        assert_eq!(identity(&shared), before);
        assert!(shared.join("of-another").exists());
        make(&own).unwrap();
        make(&own).unwrap();
        assert!(share(&base.path().join("missing/leaf")).is_err());
    }
}
