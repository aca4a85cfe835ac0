//! Trials of what the launcher needs of the kernel to make a sandbox: namespaces, mounts, descriptors, programs
//! in memory. It judges nothing.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::getpid;

use super::trial::{Found, as_launcher, end_of, named, new_user_namespace};
use crate::program::new_image;
use crate::root::{Root, build};
use crate::sys;
use crate::sys::clone::{ChildStack, NewNamespaces, clone_and_wait};
use crate::sys::parent::{self, Ended, Reap};

type Trial = (&'static str, fn() -> Found);

/// In the order in which the report lists them.
pub(super) const TRIALS: [Trial; 15] = [
    ("user_namespaces", user_namespaces),
    ("mount_namespace", || namespace(CloneFlags::CLONE_NEWNS)),
    ("pid_namespace", || namespace(CloneFlags::CLONE_NEWPID)),
    ("net_namespace", || namespace(CloneFlags::CLONE_NEWNET)),
    ("ipc_namespace", || namespace(CloneFlags::CLONE_NEWIPC)),
    ("uts_namespace", || namespace(CloneFlags::CLONE_NEWUTS)),
    ("cgroup_namespace", || namespace(CloneFlags::CLONE_NEWCGROUP)),
    ("root_file_system", root_file_system),
    ("clone3", clone3),
    ("pidfd", pidfd),
    ("memfd_exec", memfd_exec),
    ("openat2", openat2),
    ("close_range", close_range),
    ("keyring", keyring),
    ("no_new_privs", no_new_privs),
];

fn user_namespaces() -> Found {
    new_user_namespace()?;
    // AppArmor can grant the namespace and take every right in it.
    unshare(CloneFlags::CLONE_NEWNS).map_err(named("unshare(CLONE_NEWNS) inside a new user namespace"))?;
    Ok("made one, and another namespace inside it".to_owned())
}

fn namespace(kind: CloneFlags) -> Found {
    as_launcher()?;
    unshare(kind).map_err(|errno| format!("unshare: {errno}"))?;
    Ok("made one".to_owned())
}

/// Builds an empty root over /proc, which exists wherever the launcher can run, in a mount namespace of its own.
fn root_file_system() -> Found {
    as_launcher()?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(named("unshare(CLONE_NEWNS)"))?;
    let root = Root { scratch: Path::new("/proc"), binds: Vec::new() };
    build(&root).map_err(|failure| format!("{}: {}", failure.doing, failure.cause))?;
    let left = std::fs::read_dir("/").map_err(|error| format!("list the new root: {error}"))?.count();
    if left == 0 {
        Ok("built a root of its own; the host's is gone from it".to_owned())
    } else {
        Err(format!("the new root is not empty: {left} entries"))
    }
}

fn clone3() -> Found {
    extern "C" fn end(_nothing: &()) -> ! {
        sys::child::exit(0)
    }
    as_launcher()?;
    let mut stack = ChildStack::new().map_err(named("mmap"))?;
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;
    let child = clone_and_wait(&mut stack, NewNamespaces(flags), None, end, &()).map_err(named("clone3"))?;
    match parent::reap(child.pidfd.as_fd(), Reap::Wait).map_err(named("waitid P_PIDFD"))? {
        Some(Ended::Exited(0)) => Ok("started a child in namespaces of its own".to_owned()),
        other => Err(format!("the child did not end as it should: {other:?}")),
    }
}

fn pidfd() -> Found {
    let own = parent::pidfd_open(getpid()).map_err(named("pidfd_open"))?;
    let copy = parent::duplicate_from(own.as_fd(), 100).map_err(named("fcntl F_DUPFD_CLOEXEC"))?;
    drop(copy);
    let ended = end_of(&|| parent::exit_now(7))?;
    if ended == Some(Ended::Exited(7)) {
        Ok("opened one, and waited for a child by one".to_owned())
    } else {
        Err(format!("a child was waited for and did not end as it should: {ended:?}"))
    }
}

/// The smallest program: an ELF header, one segment, and `exit(42)`. elf(5).
const PROGRAM: [u8; 132] = {
    let mut bytes = [0_u8; 132];
    let head: [u8; 120] = [
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, // ELF64, little-endian
        2, 0, 0x3e, 0, 1, 0, 0, 0, 0x78, 0, 0x40, 0, 0, 0, 0, 0, // an executable for x86_64, entry
        0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // program headers at 64; no sections
        0, 0, 0, 0, 0x40, 0, 0x38, 0, 1, 0, 0, 0, 0, 0, 0, 0, // sizes and counts
        1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // PT_LOAD, readable and executable, from 0
        0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, // at 0x400000
        132, 0, 0, 0, 0, 0, 0, 0, 132, 0, 0, 0, 0, 0, 0, 0, // its size in the file and in memory
        0, 0x10, 0, 0, 0, 0, 0, 0, // aligned to a page
    ];
    // mov edi, 42; mov eax, 60; syscall
    let code: [u8; 12] = [0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let (first, second) = bytes.split_at_mut(120);
    first.copy_from_slice(&head);
    second.copy_from_slice(&code);
    bytes
};

/// The status with which [`PROGRAM`] exits.
const PROGRAMS_STATUS: i32 = 42;

fn memfd_exec() -> Found {
    let mut image = new_image("trial").map_err(|error| error.to_string())?;
    image.write_all(&PROGRAM).map_err(|error| format!("write to a memory file: {error}"))?;
    // A file that is open for writing cannot be executed.
    let readable = File::open(crate::host::path_of(&image)).map_err(|error| format!("open it: {error}"))?;
    drop(image);
    let nothing: [std::ffi::CString; 0] = [];
    let ended = end_of(&|| {
        // On success this does not return; else the status tells.
        let _refused = nix::unistd::fexecve(&readable, &nothing, &nothing);
    })?;
    if ended == Some(Ended::Exited(PROGRAMS_STATUS)) {
        Ok("executed a program that lies in memory only".to_owned())
    } else {
        Err(format!("executing a program that lies in memory only is refused: {ended:?}"))
    }
}

fn openat2() -> Found {
    let root = File::open("/").map_err(|error| format!("open /: {error}"))?;
    parent::open_beneath(root.as_fd(), Path::new("proc"), OFlag::O_PATH).map_err(named("openat2"))?;
    Ok("opened a path that cannot leave its folder".to_owned())
}

/// Enough to be open in no process by accident; closing them in the trial would close its pipe too.
const UNUSED_DESCRIPTOR: i32 = 1_000_000;

fn close_range() -> Found {
    sys::child::close_from(UNUSED_DESCRIPTOR).map_err(|errno| format!("close_range: {errno}"))?;
    Ok("closed a range of descriptors".to_owned())
}

fn keyring() -> Found {
    match sys::child::new_session_keyring() {
        Ok(()) => Ok("joined a keyring of its own".to_owned()),
        Err(syscalls::Errno::ENOSYS) => Ok("there are no keyrings to be inherited".to_owned()),
        Err(errno) => Err(format!("keyctl KEYCTL_JOIN_SESSION_KEYRING: {errno}")),
    }
}

fn no_new_privs() -> Found {
    sys::child::no_new_privs().map_err(|errno| format!("prctl PR_SET_NO_NEW_PRIVS: {errno}"))?;
    Ok("set it".to_owned())
}
