//! Trials of the layers that confine a program by itself: Landlock, the system call filter, and no memory that is
//! written and executed. Each is put in force and then run against. It judges nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};

use cofferdam_policy::profile::{
    Clause, Errno as PolicyErrno, Linkage, Profile, SyscallPolicy, SyscallRules, Verdict,
};
use cofferdam_policy::{CoreNeeds, Tables, derive_core};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{ForkResult, getpgid, getppid};

use super::trial::{Found, named};
use crate::filter;
use crate::landlock::{ABI_NETWORK, ABI_SCOPE, ruleset};
use crate::sys::child as kernel;
use crate::sys::parent::{self, Ended, Reap};
use crate::sys::{notify, trial};

type Trial = (&'static str, fn() -> Found);

/// In the order in which the report lists them.
pub(super) const TRIALS: [Trial; 5] = [
    ("landlock", landlock),
    ("landlock_network", landlock_network),
    ("landlock_scope", landlock_scope),
    ("seccomp", seccomp),
    ("memory_deny_write_execute", memory_deny_write_execute),
];

fn abi() -> Result<u32, String> {
    parent::landlock_abi().map_err(named("landlock_create_ruleset"))
}

fn abi_from(lowest: u32) -> Result<u32, String> {
    match abi()? {
        abi if abi >= lowest => Ok(abi),
        abi => Err(format!("this kernel has Landlock ABI {abi}")),
    }
}

/// Puts a ruleset that allows nothing in force, as a core without a node has it.
fn restrict(abi: u32) -> Result<(), String> {
    let profile: Profile = derive_core(&CoreNeeds::default(), Linkage::Static, &Tables::builtin());
    let rules = ruleset(&profile, &[], abi).map_err(|error| error.to_string())?;
    kernel::no_new_privs().map_err(|errno| format!("prctl PR_SET_NO_NEW_PRIVS: {errno}"))?;
    kernel::landlock_restrict_self(rules.as_raw_fd())
        .map_err(|errno| format!("landlock_restrict_self: {errno}"))
}

fn landlock() -> Found {
    let abi = abi_from(1)?;
    File::open("/proc/self/status").map_err(|error| format!("read a file, without Landlock: {error}"))?;
    restrict(abi)?;
    match File::open("/proc/self/status") {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok(format!("ABI {abi}: a file could not be read"))
        }
        other => Err(format!("ABI {abi} is in force, and a file could be read all the same: {other:?}")),
    }
}

fn landlock_network() -> Found {
    let abi = abi_from(ABI_NETWORK)?;
    restrict(abi)?;
    match TcpStream::connect(("127.0.0.1", 1)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Ok("a TCP port could not be connected to".to_owned())
        }
        other => Err(format!("in force, and a TCP port could be tried all the same: {other:?}")),
    }
}

fn landlock_scope() -> Found {
    let abi = abi_from(ABI_SCOPE)?;
    let parent = getppid();
    kill(parent, None).map_err(named("kill(parent, 0), without Landlock"))?;
    restrict(abi)?;
    match kill(parent, None) {
        Err(Errno::EPERM) => Ok("a process outside could not be signalled".to_owned()),
        other => Err(format!("in force, and a process outside could be signalled all the same: {other:?}")),
    }
}

/// Everything is allowed but getpgid, which waits for our answer.
fn one_call_is_reported() -> SyscallPolicy {
    let clause = Clause {
        when: Vec::new(),
        verdict: Verdict::Refuse(PolicyErrno::NoSys),
        why: String::new(),
        file: String::new(),
    };
    let number = u32::try_from(libc::SYS_getpgid).unwrap_or(u32::MAX);
    let rules = SyscallRules { name: "getpgid".to_owned(), clauses: vec![clause] };
    SyscallPolicy { rules: BTreeMap::from([(number, rules)]), otherwise: Verdict::Allow }
}

fn seccomp() -> Found {
    let program = filter::compile(&one_call_is_reported(), 0).map_err(|error| error.to_string())?;
    kernel::no_new_privs().map_err(|errno| format!("prctl PR_SET_NO_NEW_PRIVS: {errno}"))?;
    let listener = kernel::seccomp_with_listener(&program)
        .map_err(|errno| format!("seccomp SECCOMP_FILTER_FLAG_NEW_LISTENER: {errno}"))?;
    let listener = trial::own(listener).ok_or("seccomp gave no descriptor")?;
    let caller = match parent::fork().map_err(named("fork"))? {
        ForkResult::Child => {
            let refused = getpgid(None) == Err(Errno::ENOSYS);
            parent::exit_now(i32::from(!refused))
        }
        ForkResult::Parent { child } => parent::pidfd_open(child).map_err(named("pidfd_open"))?,
    };
    let waiting = notify::receive(listener.as_fd()).map_err(named("SECCOMP_IOCTL_NOTIF_RECV"))?;
    notify::refuse(listener.as_fd(), waiting.id, Errno::ENOSYS).map_err(named("SECCOMP_IOCTL_NOTIF_SEND"))?;
    match parent::reap(caller.as_fd(), Reap::Wait).map_err(named("waitid P_PIDFD"))? {
        Some(Ended::Exited(0)) => Ok("a filter reported a call, and the call was refused".to_owned()),
        other => Err(format!("a call was reported, and its answer did not reach the caller: {other:?}")),
    }
}

fn memory_deny_write_execute() -> Found {
    parent::deny_write_execute().map_err(named("prctl PR_SET_MDWE"))?;
    match trial::map_write_execute() {
        Err(Errno::EACCES) => Ok("memory that is written and executed could not be had".to_owned()),
        other => Err(format!("in force, and such memory could be had all the same: {other:?}")),
    }
}
