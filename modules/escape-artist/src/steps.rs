//! What several attempts do on their way: files of its own, other processes, sockets.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_sdk::LogLevel;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::Pid;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::attempt::{Context, Host, Refused, Tried, own, succeeded};
use crate::raw::call;

/// The module's connection to the core.
pub(crate) const CONNECTION: i32 = 3;
/// The process ids that are looked at.
pub(crate) const PIDS: std::ops::RangeInclusive<i32> = 1..=32_768;
/// A page of memory, or more where pages are larger.
pub(crate) const PAGE_BYTES: i64 = 4096;
/// No text, for mount(2).
pub(crate) const NO_TEXT: Option<&str> = None;

/// Reads a file.
pub(crate) fn read(path: impl AsRef<Path>) -> Tried {
    let bytes = fs::read(path)?;
    succeeded(format!("read {} bytes", bytes.len()))
}

/// Opens a file to write to it, and writes nothing.
pub(crate) fn open_to_write(path: &str) -> Tried {
    OpenOptions::new().write(true).open(path)?;
    succeeded(format!("may write to {path}"))
}

/// Lists a directory.
pub(crate) fn list(path: impl AsRef<Path>) -> Tried {
    let entries = fs::read_dir(path)?;
    succeeded(format!("listed {} entries", entries.count()))
}

/// A file in the module's own directory, which it may have.
pub(crate) fn own_file(context: &Context, name: &str) -> Result<PathBuf, Refused> {
    let path = context.data_dir.join(name);
    File::create(&path)?;
    Ok(path)
}

/// A program in the module's own directory that writes to the report that it ran.
pub(crate) fn own_program(context: &Context) -> Result<PathBuf, Refused> {
    const SCRIPT: &str = "#!/bin/sh\nprintf '%s\\tsucceeded\\tthe program ran\\n' \"$1\" >> \"$2\"\n";
    let path = context.data_dir.join("program");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path)?;
    file.write_all(SCRIPT.as_bytes())?;
    Ok(path)
}

/// The arguments with which this program does nothing but report that it was executed.
pub(crate) fn executed_arguments(attempt: &str, context: &Context) -> Result<[CString; 4], Refused> {
    let name = c_path(Path::new(attempt))?;
    Ok([c"escape-artist".into(), c"--executed".into(), name, c_path(&context.report)?])
}

/// The path for a system call that wants it with a zero at its end.
pub(crate) fn c_path(path: &Path) -> Result<CString, Refused> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}

/// A descriptor's number, as the arguments of a raw call have it.
pub(crate) fn number(descriptor: &impl AsFd) -> i64 {
    descriptor.as_fd().as_raw_fd().into()
}

/// A process id, as rustix has it.
pub(crate) fn raw_pid(pid: Pid) -> Result<rustix::process::Pid, Refused> {
    rustix::process::Pid::from_raw(pid.as_raw()).ok_or_else(|| Errno::ESRCH.into())
}

/// A pidfd of the other process; where none is to be had, any descriptor does: the call it is for is what counts.
pub(crate) fn hold_other(context: &Context) -> Result<OwnedFd, Refused> {
    match pidfd_open(raw_pid(context.victim)?, PidfdFlags::empty()) {
        Ok(process) => Ok(process),
        Err(_refused) => own_directory(context),
    }
}

/// A descriptor of the module's own directory.
pub(crate) fn own_directory(context: &Context) -> Result<OwnedFd, Refused> {
    Ok(File::open(&context.data_dir)?.into())
}

/// Makes a namespace of its own.
pub(crate) fn make_namespace(kind: CloneFlags) -> Tried {
    unshare(kind)?;
    succeeded("made it")
}

/// Joins a namespace of another process, or calls for it with any other descriptor where there is no /proc to find it in.
pub(crate) fn join_namespace(context: &Context, name: &str, kind: CloneFlags) -> Tried {
    let path = PathBuf::from(format!("/proc/{}/ns/{name}", context.victim));
    let namespace = File::open(path).map(OwnedFd::from).or_else(|_missing| own_directory(context))?;
    setns(namespace, kind)?;
    succeeded("joined it")
}

/// A socket.
pub(crate) fn open_socket(
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<Protocol>,
) -> Result<OwnedFd, Refused> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?)
}

/// Makes a socket, and nothing with it.
pub(crate) fn make_socket(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Tried {
    open_socket(family, kind, protocol)?;
    succeeded("made the socket")
}

/// Its log, where nothing else is to be had to make a call on.
pub(crate) fn own_log() -> Result<OwnedFd, Refused> {
    Ok(std::io::stderr().as_fd().try_clone_to_owned()?)
}

/// A body with its length in front, as messages to the core are.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default();
    [length.to_be_bytes().as_slice(), body].concat()
}

/// Sends bytes to the core behind the SDK's back, and calls until the core ends the session, or a thousand times.
pub(crate) async fn send_and_listen(host: &Host, bytes: &[u8]) -> Tried {
    const CALLS: usize = 1000;
    own(host.node.log(LogLevel::Debug, "about to be disconnected".to_owned()).await)?;
    nix::sys::socket::send(CONNECTION, bytes, nix::sys::socket::MsgFlags::empty())?;
    for _ in 0..CALLS {
        host.node.log(LogLevel::Debug, "still there".to_owned()).await?;
    }
    succeeded("the core goes on as if nothing had been said")
}

/// A terminal of its own, where /dev has what makes one.
pub(crate) fn terminal() -> Result<OwnedFd, Refused> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let path = ptsname(&controller, Vec::new())?;
    // Without its other end a terminal takes nothing more; it goes with the process.
    std::mem::forget(controller);
    Ok(File::options().read(true).custom_flags(libc::O_NOCTTY).open(path.to_string_lossy().as_ref())?.into())
}

/// A page of its own memory that it may write to: where it lies.
pub(crate) fn written_page() -> Result<i64, Refused> {
    let (access, anonymous) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    call(libc::SYS_mmap, &[0, PAGE_BYTES, access.into(), anonymous.into(), -1])
}

/// Starts a process by a raw call that returns twice, and waits for its end, which is at once.
pub(crate) fn start_process(number: i64, arguments: &[i64]) -> Tried {
    let child = match call(number, arguments)? {
        // It does not return. If it did, the attempt would be reported twice.
        0 => call(libc::SYS_exit_group, &[0])?,
        child => child,
    };
    nix::sys::wait::waitpid(Pid::from_raw(i32::try_from(child).unwrap_or_default()), None)?;
    succeeded("a process ran")
}
