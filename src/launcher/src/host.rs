//! What this host can enforce, found out once, and the launcher's own settling in.
//!
//! Run as root the launcher stays in the initial user namespace and gives every module a host uid of its own.
//! Run by an ordinary user it first enters a user namespace of its own, in which it may make the other
//! namespaces; every subject then runs under that user's uid. Either way all namespaces but a subject's user
//! namespace belong to the launcher's.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid, getpid};

use crate::child::LOWEST_PLANNED_FD;
use crate::error::{Error, file, system};
use crate::sys::parent;

/// With which rights the launcher runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// uid 0: per-module uids.
    Root,
    /// An ordinary user: one uid for all.
    User,
}

/// Facts that hold for the launcher's whole life.
#[derive(Debug)]
pub struct Host {
    /// With which rights the launcher runs.
    pub privilege: Privilege,
    /// The launcher's effective uid and gid.
    pub uid: Uid,
    /// See `uid`.
    pub gid: Gid,
    /// The kernel's Landlock ABI; 0: none.
    pub landlock_abi: u32,
    /// Whether memory that is writable and executable is refused (PR_SET_MDWE).
    pub memory_deny_write_execute: Enforced,
    /// The kernel's highest Linux capability.
    pub last_capability: u32,
    /// A pidfd of the launcher.
    pub(crate) launcher: OwnedFd,
}

/// Whether a layer that not every kernel has is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// It is.
    Yes,
    /// This kernel does not know it.
    No,
}

impl Host {
    /// Finds out what the kernel offers and settles the launcher: must be called once, before any start.
    ///
    /// # Errors
    /// When the kernel lacks what no config can waive, or user namespaces are switched off.
    pub fn settle() -> Result<Self, Error> {
        let (uid, gid) = (geteuid(), getegid());
        let privilege = if uid.is_root() { Privilege::Root } else { Privilege::User };
        if privilege == Privilege::User {
            enter_user_namespace(uid, gid)?;
        }
        raise_descriptor_limit()?;
        let landlock_abi = match parent::landlock_abi() {
            Ok(abi) => abi,
            Err(Errno::ENOSYS | Errno::EOPNOTSUPP) => 0,
            Err(errno) => return Err(Error::System { doing: "ask for the Landlock ABI", errno }),
        };
        let memory_deny_write_execute = match parent::deny_write_execute() {
            Ok(()) => Enforced::Yes,
            Err(Errno::EINVAL | Errno::EPERM) => Enforced::No,
            Err(errno) => return Err(Error::System { doing: "prctl PR_SET_MDWE", errno }),
        };
        let launcher = parent::pidfd_open(getpid()).map_err(system("pidfd_open (Linux 5.3 or newer)"))?;
        Ok(Self {
            privilege,
            uid,
            gid,
            landlock_abi,
            memory_deny_write_execute,
            last_capability: last_capability()?,
            launcher: raise(&launcher)?,
        })
    }

    pub(crate) fn launcher_pidfd(&self) -> Result<OwnedFd, Error> {
        raise(&self.launcher)
    }
}

/// A copy of the descriptor whose number is above every number that the child places.
pub(crate) fn raise(descriptor: &impl std::os::fd::AsFd) -> Result<OwnedFd, Error> {
    let borrowed: BorrowedFd<'_> = descriptor.as_fd();
    parent::duplicate_from(borrowed, LOWEST_PLANNED_FD).map_err(system("duplicate a descriptor"))
}

/// Descriptors for each module, running or made ready, and for the launcher itself.
const DESCRIPTORS_A_MODULE: u64 = 40;
const OWN_DESCRIPTORS: u64 = 200;

/// The soft limit is a matter of old programs that use select(2); this one needs some dozens for each module.
fn raise_descriptor_limit() -> Result<(), Error> {
    let (_soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system("getrlimit"))?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(system("raise the limit of open files"))?;
    Ok(())
}

/// How many modules the limit of open files is enough for.
pub(crate) fn modules_for_descriptors() -> Result<usize, Error> {
    let (soft, _hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system("getrlimit"))?;
    let modules = soft.saturating_sub(OWN_DESCRIPTORS) / DESCRIPTORS_A_MODULE;
    Ok(usize::try_from(modules).unwrap_or(usize::MAX))
}

/// A user namespace in which the launcher keeps its uid and holds the Linux capabilities that namespaces and
/// mounts need; over anything outside it they mean nothing.
fn enter_user_namespace(uid: Uid, gid: Gid) -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(no_user_namespace)?;
    write_id_maps(
        "/proc/self",
        IdMap { inside: uid.as_raw(), outside: uid.as_raw() },
        IdMap { inside: gid.as_raw(), outside: gid.as_raw() },
    )
}

fn no_user_namespace(errno: Errno) -> Error {
    Error::LayerMissing {
        layer: "user namespaces",
        why: format!("unshare(CLONE_NEWUSER): {errno}"),
        remedy: "allow them with `sysctl kernel.unprivileged_userns_clone=1`, \
                 `sysctl user.max_user_namespaces=10000`, or, under AppArmor, \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; or run as root"
            .to_owned(),
    }
}

/// One line of uid_map or gid_map: a single id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdMap {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
}

/// Writes the id maps of the process whose /proc directory is given. user_namespaces(7).
pub(crate) fn write_id_maps(process: &str, uid: IdMap, gid: IdMap) -> Result<(), Error> {
    let write = |name: &str, text: String| {
        let path = format!("{process}/{name}");
        fs::write(&path, text).map_err(file("write", path, "is the id in use by this launcher's user?"))
    };
    // Denied first: an unprivileged gid map is refused otherwise, and no module needs setgroups(2).
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{} {} 1", uid.inside, uid.outside))?;
    write("gid_map", format!("{} {} 1", gid.inside, gid.outside))
}

fn last_capability() -> Result<u32, Error> {
    let path = "/proc/sys/kernel/cap_last_cap";
    let text = fs::read_to_string(path).map_err(file("read", path, "is /proc mounted?"))?;
    text.trim().parse().map_err(|_| Error::File {
        doing: "read",
        path: path.into(),
        cause: format!("not a number: {text:?}"),
        remedy: "",
    })
}

/// Refuses to go on when the process has more than one thread or was handed descriptors it does not know of:
/// an inherited descriptor could end up in a child.
pub(crate) fn close_on_exec_all() -> Result<(), Error> {
    let path = "/proc/self/fd";
    for entry in fs::read_dir(path).map_err(file("list", path, "is /proc mounted?"))? {
        let entry = entry.map_err(file("list", path, ""))?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if number > 2 {
            parent::set_close_on_exec(number).map_err(system("set close-on-exec"))?;
        }
    }
    Ok(())
}

/// The path under which a process's /proc files are found.
pub(crate) fn proc_of(pid: Pid) -> String {
    format!("/proc/{pid}")
}

/// The path that leads to the file behind a descriptor of this process.
pub(crate) fn path_of(descriptor: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// Sets flags that `fcntl` lacks a name for elsewhere: non-blocking reads of a pipe.
pub(crate) fn set_nonblocking(descriptor: &impl std::os::fd::AsFd) -> Result<(), Error> {
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    fcntl(descriptor, FcntlArg::F_SETFL(flags)).map(drop).map_err(system("set a descriptor non-blocking"))
}
