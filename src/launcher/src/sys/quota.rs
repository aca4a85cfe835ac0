//! Quotas of projects, which are trees of files, on the file system that a descriptor lies on. quotactl(2), quotactl_fd
//! (Linux 5.14); FS_IOC_FSSETXATTR of linux/fs.h.

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

/// linux/quota.h: the quota of projects, and how a command is put together with it.
const PRJQUOTA: u32 = 2;
const SUBCMDSHIFT: u32 = 8;
/// linux/dqblk_xfs.h: the state of quotas, which other file systems than XFS answer too; and the bit of it that says
/// that projects are held to their limits.
const Q_XGETQSTATV: u32 = 0x5808;
const FS_QUOTA_PDQ_ENFD: u16 = 1 << 5;
const FS_QSTATV_VERSION1: i8 = 1;
/// linux/fs.h: what is made in the directory belongs to its project.
const FS_XFLAG_PROJINHERIT: u32 = 0x200;

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

/// linux/fs.h, struct fsxattr.
#[repr(C)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

// As the kernel has them.
const _: () = assert!(size_of::<State>() == 160 && size_of::<Attributes>() == 28);

nix::ioctl_read!(get_attributes, b'X', 31, Attributes);
nix::ioctl_write_ptr!(set_attributes, b'X', 32, Attributes);

const fn command(subcommand: u32) -> u32 {
    subcommand << SUBCMDSHIFT | PRJQUOTA
}

/// Whether the kernel has the call at all.
pub(crate) fn is_known() -> bool {
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: no descriptor has this number, so that nothing is looked at.
    let result = unsafe { libc::syscall(libc::SYS_quotactl_fd, -1, command(Q_XGETQSTATV), 0, null) };
    Errno::result(result) != Err(Errno::ENOSYS)
}

/// Whether projects are held to their limits there.
///
/// # Errors
/// `ENOSYS` when the kernel has no such call, the file system no quotas, or they are not turned on.
pub(crate) fn enforces_limits(file: BorrowedFd<'_>) -> Result<bool, Errno> {
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
    Errno::result(result).map(|_| state.flags & FS_QUOTA_PDQ_ENFD != 0)
}

/// Whether a directory, and all that is made in it, belongs to this project.
///
/// # Errors
/// `ENOTTY` on a file system without such attributes.
pub(crate) fn belongs(directory: BorrowedFd<'_>, project: u32) -> Result<bool, Errno> {
    let found = attributes(directory)?;
    Ok(found.project == project && found.flags & FS_XFLAG_PROJINHERIT != 0)
}

/// What is given to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With all that will be made in it.
    Directory,
    /// Itself.
    File,
}

/// Gives a file or a directory to a project. Only a process of the initial user namespace may.
///
/// # Errors
/// `EOPNOTSUPP` on a file system without projects; `EDQUOT` where the project has no room for it.
pub(crate) fn give(file: BorrowedFd<'_>, project: u32, kind: Kind) -> Result<(), Errno> {
    let mut wanted = attributes(file)?;
    wanted.project = project;
    if kind == Kind::Directory {
        wanted.flags |= FS_XFLAG_PROJINHERIT;
    }
    // SAFETY: the kernel reads one structure of this layout.
    unsafe { set_attributes(file.as_raw_fd(), &wanted) }.map(drop)
}

fn attributes(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut found: Attributes = unsafe { zeroed() };
    // SAFETY: the kernel fills in one structure of this layout, which lives until it returns.
    unsafe { get_attributes(file.as_raw_fd(), &mut found) }?;
    Ok(found)
}

/// Sets the hard limits of a project, and no soft ones.
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN in the initial user namespace; `ESRCH` where quotas are not turned on.
pub(crate) fn set(file: BorrowedFd<'_>, project: u32, quota: Quota) -> Result<(), Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut limits: libc::dqblk = unsafe { zeroed() };
    limits.dqb_bhardlimit = quota.blocks;
    limits.dqb_ihardlimit = quota.inodes;
    limits.dqb_valid = libc::QIF_LIMITS;
    call(file, libc::Q_SETQUOTA, project, &mut limits)
}

/// The hard limits of a project, and how many inodes it has.
///
/// # Errors
/// The kernel's.
pub(crate) fn get(file: BorrowedFd<'_>, project: u32) -> Result<(Quota, u64), Errno> {
    // SAFETY: numbers only, for which zero is a value.
    let mut found: libc::dqblk = unsafe { zeroed() };
    call(file, libc::Q_GETQUOTA, project, &mut found)?;
    Ok((Quota { blocks: found.dqb_bhardlimit, inodes: found.dqb_ihardlimit }, found.dqb_curinodes))
}

fn call(file: BorrowedFd<'_>, subcommand: i32, project: u32, block: &mut libc::dqblk) -> Result<(), Errno> {
    let command = command(u32::try_from(subcommand).map_err(|_| Errno::EINVAL)?);
    // SAFETY: the kernel reads or fills in one structure of this layout, which lives until it returns.
    let result = unsafe {
        libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, project, std::ptr::from_mut(block))
    };
    Errno::result(result).map(|_| ())
}
