//! How much of its file system a subject may fill: its data directory, with all that is in it and whoever made it, is a
//! project of the file system, and the kernel holds a project to its quota. quotactl(2), project quotas.
//!
//! A quota of the subject's uid would not do: what the core writes for a module is the core's, and the module may add to
//! it. A project has the number of the subject's uid; only the initial user namespace may change whose a file is.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use cofferdam_policy::profile::DiskLimits;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::host::{Privilege, path_of};
use crate::sys::quota::{self, Kind, Quota};

/// The unit in which the kernel takes a limit of space: QIF_DQBLKSIZE of linux/quota.h.
const BLOCK_BYTES: u64 = 1024;

/// The data directory is one of the project's too, and no file that was made in it.
const DATA_DIRECTORY: u64 = 1;

/// How deep directories may lie that were there before the quota. Each is a descriptor while it is looked through.
const MAX_DEPTH: u32 = 32;

/// Whether something limits what a subject may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskQuota {
    /// It writes no files.
    NotNeeded,
    /// The kernel holds its limits.
    InForce,
    /// Nothing limits it, which the config allows.
    Missing,
}

/// Makes `directory` a project and limits it; reads the limits back. Its subject does not run yet.
///
/// # Errors
/// Why that cannot be had here, in words.
pub(crate) fn limit(
    privilege: Privilege,
    directory: &OwnedFd,
    project: u32,
    limits: &DiskLimits,
) -> Result<(), String> {
    if privilege == Privilege::User {
        return Err("quotas are root's to set".to_owned());
    }
    enforced(directory)?;
    let wanted = quota_of(limits);
    quota::set(directory.as_fd(), project, wanted).map_err(doing("set its quota"))?;
    let (found, inodes) = quota::get(directory.as_fd(), project).map_err(doing("read back its quota"))?;
    if found != wanted {
        return Err(format!(
            "its quota was set to {} KiB and {} inodes and reads back as {} and {}: somebody else sets quotas of \
             project {project} too",
            wanted.blocks, wanted.inodes, found.blocks, found.inodes
        ));
    }
    if quota::belongs(directory.as_fd(), project).map_err(doing("ask whose project its directory is"))? {
        return Ok(());
    }
    if inodes > 0 && is_empty(directory)? {
        return Err(format!(
            "project {project}, which would be its own, has {inodes} files elsewhere on that file system already: a \
             data directory that was moved? give them to another project (chattr -R -p 0 DIRECTORY)"
        ));
    }
    give_content(directory, project, MAX_DEPTH)?;
    // Last: until then it is done once more.
    quota::give(directory.as_fd(), project, Kind::Directory)
        .map_err(doing("give its directory to its project"))
}

/// Takes the limits away, of a project that is gone.
pub(crate) fn forget(directory: &OwnedFd, project: u32) {
    // What stays behind limits nobody else.
    let _stays_behind = quota::set(directory.as_fd(), project, Quota { blocks: 0, inodes: 0 });
}

/// Whether the file system of `directory` holds projects to their quotas.
///
/// # Errors
/// Why not, in words.
pub(crate) fn enforced(directory: &OwnedFd) -> Result<(), String> {
    match quota::enforces_limits(directory.as_fd()) {
        Ok(true) => Ok(()),
        Ok(false) => Err("its file system holds no project to a quota".to_owned()),
        Err(Errno::ENOSYS) if !quota::is_known() => {
            Err("this kernel has no quotactl_fd (Linux 5.14 with quotas)".to_owned())
        }
        Err(Errno::ENOSYS) => Err("its file system has no quotas, or they are not turned on".to_owned()),
        Err(errno) => Err(format!("ask its file system for project quotas: {errno}")),
    }
}

/// What the kernel holds a subject to: bytes and files.
pub(crate) fn in_force(directory: &OwnedFd, project: u32) -> Result<(u64, u64), String> {
    enforced(directory)?;
    if !quota::belongs(directory.as_fd(), project).map_err(doing("ask whose project its directory is"))? {
        return Err("its directory does not belong to its project".to_owned());
    }
    let (found, _) = quota::get(directory.as_fd(), project).map_err(doing("read its quota"))?;
    Ok((found.blocks.saturating_mul(BLOCK_BYTES), found.inodes.saturating_sub(DATA_DIRECTORY)))
}

fn quota_of(limits: &DiskLimits) -> Quota {
    // 0 is no limit.
    let blocks = (limits.bytes.value / BLOCK_BYTES).max(1);
    Quota { blocks, inodes: limits.files.value.saturating_add(DATA_DIRECTORY) }
}

fn doing(what: &'static str) -> impl Fn(Errno) -> String {
    move |errno| format!("{what}: {errno}")
}

fn is_empty(directory: &OwnedFd) -> Result<bool, String> {
    Ok(names(directory)?.is_empty())
}

fn names(directory: &OwnedFd) -> Result<Vec<std::ffi::OsString>, String> {
    let listed = fs::read_dir(path_of(directory)).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()
    });
    listed.map_err(|error| format!("list its directory: {error}"))
}

/// Gives what was there before to the project. No link is followed: none has content of its own.
fn give_content(directory: &OwnedFd, project: u32, depth: u32) -> Result<(), String> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(format!("its directories lie more than {MAX_DEPTH} deep: move them out"));
    };
    for name in names(directory)? {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let entry = match openat(directory, name.as_os_str(), flags, Mode::empty()) {
            Ok(entry) => entry,
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENOENT) => continue,
            Err(errno) => return Err(format!("open a file of its: {errno}")),
        };
        let mode = fstat(&entry).map_err(doing("look at a file of its"))?.st_mode;
        let kind = match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => Kind::Directory,
            SFlag::S_IFREG => Kind::File,
            _ => continue,
        };
        if kind == Kind::Directory {
            give_content(&entry, project, below)?;
        }
        quota::give(entry.as_fd(), project, kind).map_err(doing("give a file to its project"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_policy::profile::Limit;

    fn limits(bytes: u64, files: u64) -> DiskLimits {
        let limit = |value| Limit { value, why: String::new() };
        DiskLimits { bytes: limit(bytes), files: limit(files) }
    }

    #[test]
    fn no_limit_of_the_operators_becomes_the_kernels_word_for_none() {
        assert_eq!(quota_of(&limits(1, 1)), Quota { blocks: 1, inodes: 2 });
        assert_eq!(quota_of(&limits(1 << 20, 10)), Quota { blocks: 1024, inodes: 11 });
        assert_eq!(quota_of(&limits(0, 0)), Quota { blocks: 1, inodes: 1 });
        assert!(quota_of(&limits(u64::MAX, u64::MAX)).inodes > 0);
    }

    #[test]
    fn the_modules_of_a_user_are_never_said_to_be_limited() {
        let directory: OwnedFd = std::fs::File::open("/").unwrap().into();
        let error = limit(Privilege::User, &directory, 1, &limits(1, 1)).unwrap_err();
        assert!(error.contains("root's to set"), "{error}");
    }

    #[test]
    fn a_file_system_without_quotas_is_told_in_words() {
        let directory: OwnedFd = std::fs::File::open("/proc").unwrap().into();
        let error = enforced(&directory).unwrap_err();
        assert!(error.contains("has no quotas") || error.contains("no quotactl_fd"), "{error}");
    }
}
