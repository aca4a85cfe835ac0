//! Quotas of users on the file system that a descriptor lies on. quotactl(2), quotactl_fd (Linux 5.14).

use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Hard limits; there are no soft ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Space, in units of 1024 bytes; 0 is none.
    pub(crate) blocks: u64,
    /// Inodes; 0 is none.
    pub(crate) inodes: u64,
}

/// linux/quota.h: the quota of users, and how a command is put together with it.
const USRQUOTA: u32 = 0;
const SUBCMDSHIFT: u32 = 8;
/// linux/dqblk_xfs.h: the state of quotas, which other file systems than XFS answer too; and the bit of it that says
/// that users are held to their limits.
const Q_XGETQSTATV: u32 = 0x5808;
const FS_QUOTA_UDQ_ENFD: u16 = 1 << 1;
const FS_QSTATV_VERSION1: i8 = 1;

/// linux/dqblk_xfs.h, struct fs_quota_statv.
#[repr(C)]
struct State {
    version: i8,
    padding: u8,
    flags: u16,
    in_core: u32,
    /// Where the files of the three kinds of quota are, and how large.
    files: [[u64; 3]; 3],
    times: [i32; 3],
    warnings: [u16; 4],
    more_padding: u32,
    reserved: [u64; 7],
}

// As the kernel has it.
const _: () = assert!(size_of::<State>() == 160);

const fn command(subcommand: u32) -> u32 {
    subcommand << SUBCMDSHIFT | USRQUOTA
}

/// Whether the kernel has the call at all.
pub(crate) fn is_known() -> bool {
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: no descriptor has this number, so that nothing is looked at.
    let result = unsafe { libc::syscall(libc::SYS_quotactl_fd, -1, command(Q_XGETQSTATV), 0, null) };
    Errno::result(result) != Err(Errno::ENOSYS)
}

/// Whether users are held to their limits there.
///
/// # Errors
/// `ENOSYS` when the kernel has no such call, the file system no quotas, or they are not turned on.
pub(crate) fn enforces_user_limits(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut state: State = unsafe { zeroed() };
    state.version = FS_QSTATV_VERSION1;
    // SAFETY: the kernel fills in one structure of this layout, which lives until it returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            file.as_raw_fd(),
            command(Q_XGETQSTATV),
            0,
            std::ptr::from_mut(&mut state),
        )
    };
    Errno::result(result).map(|_| state.flags & FS_QUOTA_UDQ_ENFD != 0)
}

/// Sets the hard limits of a user, and no soft ones.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN in the initial user namespace; `ESRCH` where quotas are not turned on.
pub(crate) fn set(file: BorrowedFd<'_>, uid: u32, quota: Quota) -> Result<(), Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut limits: libc::dqblk = unsafe { zeroed() };
    limits.dqb_bhardlimit = quota.blocks;
    limits.dqb_ihardlimit = quota.inodes;
    limits.dqb_valid = libc::QIF_LIMITS;
    call(file, libc::Q_SETQUOTA, uid, &mut limits)
}

/// The hard limits of a user.
///
/// # Errors
/// The kernel's.
pub(crate) fn get(file: BorrowedFd<'_>, uid: u32) -> Result<Quota, Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut found: libc::dqblk = unsafe { zeroed() };
    call(file, libc::Q_GETQUOTA, uid, &mut found)?;
    Ok(Quota { blocks: found.dqb_bhardlimit, inodes: found.dqb_ihardlimit })
}

fn call(file: BorrowedFd<'_>, subcommand: i32, uid: u32, block: &mut libc::dqblk) -> Result<(), Errno> {
    let command = command(u32::try_from(subcommand).map_err(|_| Errno::EINVAL)?);
    // SAFETY: the kernel reads or fills in one structure of this layout, which lives until it returns.
    let result = unsafe {
        libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, uid, std::ptr::from_mut(block))
    };
    Errno::result(result).map(|_| ())
}
