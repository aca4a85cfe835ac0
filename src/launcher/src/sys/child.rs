//! System calls of the child between clone and exec.
//!
//! The child shares its parent's memory, so nothing here may allocate, lock, write a global or use the C
//! library (whose `errno` is the parent's). Every function is one raw system call.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use syscalls::{Errno, Sysno, syscall};

/// What a raw call returns: the kernel's error, without any conversion that could allocate.
pub(crate) type Outcome<T = ()> = Result<T, Errno>;

/// Linux capability sets as capset(2) takes them, version 3: two words for each of the three sets.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
const SECCOMP_SET_MODE_FILTER: usize = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER: usize = 1 << 3;
/// Linux 5.19: once the launcher has received a waiting call, only a signal that kills interrupts it.
const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: usize = 1 << 5;
/// SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS cleared, SECBIT_NO_CAP_AMBIENT_RAISE, each locked:
/// uid 0 of any user namespace means nothing to this process. capabilities(7).
const SECUREBITS: usize = 0b1110_1111;

fn fd(descriptor: BorrowedFd<'_>) -> usize {
    raw(descriptor.as_raw_fd())
}

fn raw(descriptor: RawFd) -> usize {
    // A descriptor is never negative; the kernel reads an `int` from the register's low half.
    usize::try_from(descriptor).unwrap_or(usize::MAX)
}

/// Leaves the terminal and the launcher's process group: no TIOCSTI, no Ctrl-C. setsid(2).
pub(crate) fn setsid() -> Outcome {
    // SAFETY: setsid takes no argument and changes only this process.
    unsafe { syscall!(Sysno::setsid) }.map(drop_value)
}

/// Sets the file mode creation mask; it always succeeds. umask(2).
pub(crate) fn umask(mask: usize) {
    // SAFETY: umask takes a number; the fs_struct is this process's own (no CLONE_FS).
    let _previous = unsafe { syscall!(Sysno::umask, mask) };
}

/// Gives `signal` its default action. The child's table of handlers is its own (no CLONE_SIGHAND).
pub(crate) fn default_action(signal: libc::c_int) -> Outcome {
    // The kernel's struct sigaction: handler, flags, restorer, mask. All zero is SIG_DFL with no flags.
    let action = [0_usize; 4];
    let number = usize::try_from(signal).unwrap_or(usize::MAX);
    let mask_bytes = size_of::<u64>();
    // SAFETY: `action` is as large as the kernel's struct sigaction and lives through the call.
    unsafe { syscall!(Sysno::rt_sigaction, number, action.as_ptr(), 0_usize, mask_bytes) }.map(drop_value)
}

/// Unblocks every signal. sigprocmask(2).
pub(crate) fn unblock_signals() -> Outcome {
    let none = 0_u64;
    let set_mask = usize::try_from(libc::SIG_SETMASK).unwrap_or(usize::MAX);
    // SAFETY: `none` is a kernel sigset of the size that the last argument states.
    unsafe { syscall!(Sysno::rt_sigprocmask, set_mask, &raw const none, 0_usize, size_of::<u64>()) }
        .map(drop_value)
}

/// Writes `bytes` to a descriptor of the plan. write(2).
pub(crate) fn write(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Outcome<usize> {
    // SAFETY: pointer and length are those of one live slice.
    unsafe { syscall!(Sysno::write, fd(descriptor), bytes.as_ptr(), bytes.len()) }
}

/// Joins the namespace behind the descriptor. setns(2).
pub(crate) fn setns(namespace: BorrowedFd<'_>, kind: libc::c_int) -> Outcome {
    let kind = usize::try_from(kind).unwrap_or(usize::MAX);
    // SAFETY: setns takes two numbers; a wrong descriptor is refused by the kernel.
    unsafe { syscall!(Sysno::setns, fd(namespace), kind) }.map(drop_value)
}

/// Names the host of this UTS namespace. sethostname(2).
pub(crate) fn sethostname(name: &CStr) -> Outcome {
    let length = name.count_bytes();
    // SAFETY: pointer and length are those of one live C string.
    unsafe { syscall!(Sysno::sethostname, name.as_ptr(), length) }.map(drop_value)
}

/// Sets the supplementary groups, of which there may be none. setgroups(2).
pub(crate) fn set_groups(groups: &[u32]) -> Outcome {
    // SAFETY: pointer and count are those of one live slice of the kernel's gid_t.
    unsafe { syscall!(Sysno::setgroups, groups.len(), groups.as_ptr().addr()) }.map(drop_value)
}

/// Sets real, effective and saved group id. setresgid(2), for this thread only, which is the process.
pub(crate) fn setresgid(id: u32) -> Outcome {
    let id = usize::try_from(id).unwrap_or(usize::MAX);
    // SAFETY: three numbers.
    unsafe { syscall!(Sysno::setresgid, id, id, id) }.map(drop_value)
}

/// Sets real, effective and saved user id. setresuid(2).
pub(crate) fn setresuid(id: u32) -> Outcome {
    let id = usize::try_from(id).unwrap_or(usize::MAX);
    // SAFETY: three numbers.
    unsafe { syscall!(Sysno::setresuid, id, id, id) }.map(drop_value)
}

/// Sets soft and hard limit of one resource. prlimit(2) on this process.
pub(crate) fn setrlimit(resource: u32, value: u64) -> Outcome {
    let limit = [value, value];
    let resource = usize::try_from(resource).unwrap_or(usize::MAX);
    // SAFETY: `limit` has the layout of struct rlimit64 (two u64) and lives through the call; the old limit
    // is not asked for.
    unsafe { syscall!(Sysno::prlimit64, 0_usize, resource, limit.as_ptr(), 0_usize) }.map(drop_value)
}

fn prctl(option: libc::c_int, second: usize, third: usize) -> Outcome<usize> {
    let option = usize::try_from(option).unwrap_or(usize::MAX);
    // SAFETY: every option used in this file takes numbers only; unused arguments are 0 as prctl(2) demands.
    unsafe { syscall!(Sysno::prctl, option, second, third, 0_usize, 0_usize) }
}

/// Removes one Linux capability from the bounding set.
pub(crate) fn drop_bounding(capability: u32) -> Outcome {
    prctl(libc::PR_CAPBSET_DROP, usize::try_from(capability).unwrap_or(usize::MAX), 0).map(drop_value)
}

/// Clears the ambient set.
pub(crate) fn clear_ambient() -> Outcome {
    let clear_all = usize::try_from(libc::PR_CAP_AMBIENT_CLEAR_ALL).unwrap_or(usize::MAX);
    prctl(libc::PR_CAP_AMBIENT, clear_all, 0).map(drop_value)
}

/// Locks the secure bits: no uid of any namespace gives this process Linux capabilities again.
pub(crate) fn lock_securebits() -> Outcome {
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0).map(drop_value)
}

/// Empties the permitted, effective and inheritable sets. capset(2).
pub(crate) fn drop_capabilities() -> Outcome {
    let header = CapabilityHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let data = [0_u32; 6];
    // SAFETY: header and data have the layout of version 3 (two triples of u32) and live through the call.
    unsafe { syscall!(Sysno::capset, &raw const header, data.as_ptr()) }.map(drop_value)
}

/// Starts a new, anonymous session keyring, so that the operator's keys are not inherited. keyctl(2).
pub(crate) fn new_session_keyring() -> Outcome {
    // SAFETY: a null name asks for an anonymous keyring; no memory is read.
    unsafe { syscall!(Sysno::keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0_usize) }.map(drop_value)
}

/// Asks for SIGKILL when the launcher ends. prctl(2); cleared by every change of identity, so it comes after.
pub(crate) fn die_with_parent() -> Outcome {
    let kill = usize::try_from(libc::SIGKILL).unwrap_or(usize::MAX);
    prctl(libc::PR_SET_PDEATHSIG, kill, 0).map(drop_value)
}

/// Whether the process behind a pidfd has ended: a pidfd is readable from then on. pidfd_open(2).
pub(crate) fn has_ended(pidfd: BorrowedFd<'_>) -> Outcome<Ended> {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live pollfd, a count of 1, and a timeout of 0.
    let ready = unsafe { syscall!(Sysno::poll, &raw mut poll, 1_usize, 0_usize) }?;
    Ok(if ready == 0 { Ended::No } else { Ended::Yes })
}

/// The answer of [`has_ended`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It still runs.
    No,
    /// It is gone.
    Yes,
}

/// From here no exec can add rights. prctl(2), PR_SET_NO_NEW_PRIVS.
pub(crate) fn no_new_privs() -> Outcome {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop_value)
}

/// Makes `to` the same open file as `from`, and keeps it over exec. dup3(2).
pub(crate) fn place(from: BorrowedFd<'_>, to: RawFd) -> Outcome {
    // SAFETY: dup3 takes numbers; `to` is below every descriptor the plan holds, so nothing in use is lost.
    unsafe { syscall!(Sysno::dup3, fd(from), raw(to), 0_usize) }.map(drop_value)
}

/// Makes `to` the same open file as `from`, closed by exec. dup3(2).
pub(crate) fn place_until_exec(from: BorrowedFd<'_>, to: RawFd) -> Outcome {
    let close_on_exec = usize::try_from(libc::O_CLOEXEC).unwrap_or(usize::MAX);
    // SAFETY: as in `place`.
    unsafe { syscall!(Sysno::dup3, fd(from), raw(to), close_on_exec) }.map(drop_value)
}

/// Closes every descriptor from `first` on. close_range(2). The table is the child's own (no CLONE_FILES).
pub(crate) fn close_from(first: RawFd) -> Outcome {
    // SAFETY: numbers only; the parent's descriptors are in another table.
    unsafe { syscall!(Sysno::close_range, raw(first), raw(RawFd::MAX), 0_usize) }.map(drop_value)
}

/// Enforces a Landlock ruleset, by descriptor number. landlock_restrict_self(2).
pub(crate) fn landlock_restrict_self(ruleset: RawFd) -> Outcome {
    // SAFETY: two numbers.
    unsafe { syscall!(Sysno::landlock_restrict_self, raw(ruleset), 0_usize) }.map(drop_value)
}

/// Loads the filter and returns the number of its listener, which exec closes. seccomp(2).
pub(crate) fn seccomp_with_listener(filter: &[libc::sock_filter]) -> Outcome<usize> {
    load_filter(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER)
}

/// As [`seccomp_with_listener`], for a filter under which every call waits: signals disturb them as little as this
/// kernel can have it.
pub(crate) fn seccomp_watched(filter: &[libc::sock_filter]) -> Outcome<usize> {
    let flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    match load_filter(filter, flags) {
        // An older kernel, which has loaded nothing.
        Err(Errno::EINVAL) => seccomp_with_listener(filter),
        loaded => loaded,
    }
}

fn load_filter(filter: &[libc::sock_filter], flags: usize) -> Outcome<usize> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap_or(0),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` points at a live slice of `len` instructions, which the kernel only reads.
    unsafe { syscall!(Sysno::seccomp, SECCOMP_SET_MODE_FILTER, flags, &raw const program) }
}

/// Sends the prepared message on `channel`. The sixth argument is not the kernel's: the filter checks it.
///
/// # Safety
/// `message` must point at a msghdr whose buffers are alive.
pub(crate) unsafe fn sendmsg_with_ticket(
    channel: RawFd,
    message: *const libc::msghdr,
    ticket: u64,
) -> Outcome {
    let ticket = usize::try_from(ticket).unwrap_or(usize::MAX);
    // SAFETY: the caller vouches for `message`; the kernel ignores arguments beyond the third.
    unsafe { syscall!(Sysno::sendmsg, raw(channel), message, 0_usize, 0_usize, 0_usize, ticket) }
        .map(drop_value)
}

/// Replaces this image by the program behind `program`; returns only on failure. The sixth argument is not
/// the kernel's: the filter checks it, and no later exec can know it.
///
/// # Safety
/// `arguments` and `environment` must be null-terminated arrays of C strings that are alive.
pub(crate) unsafe fn execveat_with_ticket(
    program: RawFd,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    ticket: u64,
) -> Errno {
    let empty = c"".as_ptr();
    let flags = usize::try_from(libc::AT_EMPTY_PATH).unwrap_or(usize::MAX);
    let ticket = usize::try_from(ticket).unwrap_or(usize::MAX);
    // SAFETY: the caller vouches for both arrays; on success the kernel replaces this image, on failure it
    // has changed nothing.
    match unsafe { syscall!(Sysno::execveat, raw(program), empty, arguments, environment, flags, ticket) } {
        Ok(_) => Errno::ENOEXEC,
        Err(errno) => errno,
    }
}

/// Ends this process without running anything of the parent's. exit_group(2).
pub(crate) fn exit(status: usize) -> ! {
    loop {
        // SAFETY: a number; it does not return.
        let _never = unsafe { syscall!(Sysno::exit_group, status) };
    }
}

fn drop_value(_: usize) {}
