//! How much of its file system a subject may fill by itself: the kernel's quota for its uid, which root sets on the
//! file system that its data directory lies on. quotactl(2)
//!
//! Every subject of root's launcher has a uid of its own, and owns nothing but what it made in its data directory. What
//! the core writes there for it is the core's, and the core counts that.

use std::os::fd::{AsFd, OwnedFd};

use cofferdam_policy::profile::DiskLimits;
use nix::errno::Errno;

use crate::host::Privilege;
use crate::sys::quota::{self, Quota};

/// The unit in which the kernel takes a limit of space: QIF_DQBLKSIZE of linux/quota.h.
const BLOCK_BYTES: u64 = 1024;

/// The data directory is the subject's own too, and no file that it made.
const DATA_DIRECTORY: u64 = 1;

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

/// Limits what `uid` may have on the file system of `directory`, and reads it back.
///
/// # Errors
/// Why that cannot be had here, in words.
pub(crate) fn limit(
    privilege: Privilege,
    directory: &OwnedFd,
    uid: u32,
    limits: &DiskLimits,
) -> Result<(), String> {
    if privilege == Privilege::User {
        return Err("a user's modules all run under that user's uid, and quotas are root's to set".to_owned());
    }
    enforced(directory)?;
    let wanted = quota_of(limits);
    quota::set(directory.as_fd(), uid, wanted).map_err(|errno| doing("set the quota of", uid, errno))?;
    let found =
        quota::get(directory.as_fd(), uid).map_err(|errno| doing("read back the quota of", uid, errno))?;
    if found == wanted {
        return Ok(());
    }
    Err(format!("the quota of uid {uid} was set to {wanted:?} and reads back as {found:?}"))
}

/// Whether the file system of `directory` holds users to their quotas.
///
/// # Errors
/// Why not, in words.
pub(crate) fn enforced(directory: &OwnedFd) -> Result<(), String> {
    match quota::enforces_user_limits(directory.as_fd()) {
        Ok(true) => Ok(()),
        Ok(false) => Err("its file system counts what users have, and limits none of them".to_owned()),
        Err(Errno::ENOSYS) if !quota::is_known() => {
            Err("this kernel has no quotactl_fd (Linux 5.14 with quotas)".to_owned())
        }
        Err(Errno::ENOSYS) => Err("its file system has no user quotas, or they are not turned on".to_owned()),
        Err(errno) => Err(format!("ask its file system for user quotas: {errno}")),
    }
}

/// What the kernel holds a subject to: bytes and files of its own.
pub(crate) fn in_force(directory: &OwnedFd, uid: u32) -> Result<(u64, u64), String> {
    enforced(directory)?;
    let found = quota::get(directory.as_fd(), uid).map_err(|errno| doing("read the quota of", uid, errno))?;
    Ok((found.blocks.saturating_mul(BLOCK_BYTES), found.inodes.saturating_sub(DATA_DIRECTORY)))
}

fn quota_of(limits: &DiskLimits) -> Quota {
    // 0 is no limit.
    let blocks = (limits.bytes.value / BLOCK_BYTES).max(1);
    Quota { blocks, inodes: limits.files.value.saturating_add(DATA_DIRECTORY) }
}

fn doing(what: &str, uid: u32, errno: Errno) -> String {
    format!("{what} uid {uid}: {errno}")
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
        assert!(error.contains("no user quotas") || error.contains("no quotactl_fd"), "{error}");
    }
}
