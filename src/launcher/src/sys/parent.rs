//! System calls of the launcher itself, and of its forked helpers, that no safe wrapper offers.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{ForkResult, Pid};

/// Forks. The launcher has one thread, so the child may do anything its parent may.
///
/// # Errors
/// fork(2)'s; `EDEADLK` when the process has more than one thread.
pub(crate) fn fork() -> Result<ForkResult, Errno> {
    if thread_count()? != 1 {
        return Err(Errno::EDEADLK);
    }
    // SAFETY: the process has one thread, so no lock can be held by a thread that the child lacks.
    unsafe { nix::unistd::fork() }
}

fn thread_count() -> Result<usize, Errno> {
    match std::fs::read_dir("/proc/self/task") {
        Ok(tasks) => Ok(tasks.count()),
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// Ends a forked child at once, without running the parent's exit handlers. _exit(2).
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// A pidfd of a process. pidfd_open(2), Linux 5.3.
///
/// # Errors
/// The kernel's.
pub(crate) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = Errno::result(result)?;
    // SAFETY: the kernel has just made this descriptor, and it is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).unwrap_or(-1)) })
}

/// Sends SIGKILL to the process behind a pidfd. pidfd_send_signal(2).
///
/// # Errors
/// `ESRCH` when it has ended.
pub(crate) fn pidfd_kill(pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill one in.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, null, 0) };
    Errno::result(result).map(|_| ())
}

/// The newest Landlock ABI of this kernel. landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION.
///
/// # Errors
/// `ENOSYS` when the kernel was built without Landlock, `EOPNOTSUPP` when it was booted without.
pub(crate) fn landlock_abi() -> Result<u32, Errno> {
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: with a null attribute and size 0 the kernel only answers its version.
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0_usize, 1_u32) };
    Errno::result(result).map(|abi| u32::try_from(abi).unwrap_or(0))
}

/// Refuses memory that is writable and executable, for this process and all it starts. PR_SET_MDWE, Linux 6.3.
///
/// # Errors
/// `EINVAL` on older kernels.
pub(crate) fn deny_write_execute() -> Result<(), Errno> {
    const PR_SET_MDWE: libc::c_int = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    let zero: libc::c_ulong = 0;
    // SAFETY: numbers only.
    let result = unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, zero, zero, zero) };
    Errno::result(result).map(|_| ())
}

/// Opens a path below `directory`: no symbolic link, no `..` above it, no other mount point's magic link.
/// openat2(2), Linux 5.6.
///
/// # Errors
/// `ELOOP` for a symbolic link, `EXDEV` for a path that leaves `directory`.
pub(crate) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &Path,
    flags: nix::fcntl::OFlag,
) -> Result<OwnedFd, Errno> {
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};
    let how = OpenHow::new().flags(flags | nix::fcntl::OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    openat2(directory, path, how)
}

/// 64 random bits from the kernel. getrandom(2).
///
/// # Errors
/// The kernel's; a short answer is `EIO`.
pub(crate) fn random_u64() -> Result<u64, Errno> {
    let mut bytes = [0_u8; 8];
    // SAFETY: pointer and length are those of one live array.
    let result = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    let filled = Errno::result(result)?;
    if usize::try_from(filled) == Ok(bytes.len()) { Ok(u64::from_ne_bytes(bytes)) } else { Err(Errno::EIO) }
}

/// The most descriptors one message can carry: the kernel's SCM_MAX_FD.
const SCM_MAX_FD: usize = 253;

/// Receives one datagram and at most one descriptor beside it. `None` when the peer has closed.
///
/// There is room for as many descriptors as the kernel lets one message carry, so none is installed without
/// an owner; every one beyond the first is closed.
///
/// # Errors
/// recvmsg(2)'s; `EMSGSIZE` when the data was cut off or more than one descriptor came.
pub(crate) fn receive_with_descriptor(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: MsgFlags,
) -> Result<Option<(usize, Option<OwnedFd>)>, Errno> {
    let mut space = nix::cmsg_space!([RawFd; SCM_MAX_FD]);
    let mut parts = [std::io::IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags | MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            for raw in received {
                // SAFETY: the kernel has just installed this descriptor for us.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(raw) });
            }
        }
    }
    if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) || descriptors.len() > 1 {
        return Err(Errno::EMSGSIZE);
    }
    if message.bytes == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    Ok(Some((message.bytes, descriptors.pop())))
}

/// What ended a child. waitid(2) with `P_PIDFD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It called exit with this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// Reaps the child behind a pidfd; `None` while it runs. With [`Reap::Wait`] it waits for the end.
///
/// # Errors
/// `ECHILD` when it was reaped before.
pub(crate) fn reap(pidfd: BorrowedFd<'_>, wait: Reap) -> Result<Option<Ended>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let id = libc::id_t::try_from(pidfd.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let options = match wait {
        Reap::Wait => libc::WEXITED,
        Reap::Now => libc::WEXITED | libc::WNOHANG,
    };
    loop {
        // SAFETY: `info` is a live siginfo_t.
        let result = unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), options) };
        match Errno::result(result) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    // SAFETY: zeroed before, and filled by waitid where a child has ended; all-zero is a valid siginfo_t.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the SIGCHLD member, and it is zero where no child has ended.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    Ok(Some(if info.si_code == libc::CLD_EXITED { Ended::Exited(status) } else { Ended::Signaled(status) }))
}

/// Whether [`reap`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reap {
    /// Until the child ends.
    Wait,
    /// Not at all.
    Now,
}

/// A close-on-exec copy of a descriptor, numbered `lowest` or higher. fcntl(2), `F_DUPFD_CLOEXEC`.
///
/// # Errors
/// `EMFILE`.
pub(crate) fn duplicate_from(descriptor: BorrowedFd<'_>, lowest: RawFd) -> Result<OwnedFd, Errno> {
    let copy = nix::fcntl::fcntl(descriptor, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest))?;
    // SAFETY: the kernel has just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Marks a descriptor number of this process close-on-exec; one that is closed meanwhile is no error.
///
/// # Errors
/// fcntl(2)'s.
pub(crate) fn set_close_on_exec(number: RawFd) -> Result<(), Errno> {
    // SAFETY: a number and a flag; fcntl refuses a number that is not open.
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::EBADF) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Closes a descriptor number in a forked helper, which has no owner for it any more.
pub(crate) fn close_number(number: RawFd) {
    // SAFETY: the helper uses none of the Rust objects that own this number, and never drops them: it ends
    // with `exit_now`.
    let _not_open = unsafe { libc::close(number) };
}

/// Closes every descriptor from `first` on in a forked helper. close_range(2).
pub(crate) fn close_numbers_from(first: RawFd) {
    let first = libc::c_uint::try_from(first).unwrap_or(0);
    // SAFETY: as in `close_number`.
    let _nothing_open = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
}

/// The hard limit of a resource, for this process. getrlimit(2).
///
/// # Errors
/// `EINVAL` for a resource the kernel does not know.
pub(crate) fn hard_limit(resource: u32) -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live structure of the kernel's layout.
    let result = unsafe { libc::getrlimit(resource, &raw mut limit) };
    Errno::result(result).map(|_| limit.rlim_max)
}

/// Gives SIGCHLD its default action: were it ignored, as a parent may have left it, the kernel would reap
/// children before they can be waited for, and their pids could be used again. sigaction(2).
///
/// # Errors
/// The kernel's.
pub(crate) fn default_child_signal() -> Result<(), Errno> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of this process.
    unsafe { sigaction(Signal::SIGCHLD, &action) }.map(drop)
}
