//! Starting programs; finding, signalling, reading and steering other processes; becoming somebody else.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::sys::wait::waitpid;
use nix::sys::{prctl, ptrace};
use nix::unistd::{Pid, execv, fexecve, getpid};
use rustix::io::FdFlags;
use rustix::process::{self as rustix_process, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::files::{c_path, own_program};
use crate::attempt::{Attempt, Met, Refused, Tried, succeeded};
use crate::context::Context;
use crate::unconfined::SECRET;

/// The process ids that are looked at.
const PIDS: std::ops::RangeInclusive<i32> = 1..=32_768;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("write-and-execute", "execute a program it wrote", Errno::EPERM, write_and_execute),
    Attempt::refused(
        "execute-descriptor",
        "execute a program it wrote by its descriptor",
        Errno::EPERM,
        execute_descriptor,
    ),
    Attempt::refused("execute-itself", "execute /proc/self/exe", Errno::EPERM, execute_itself),
    Attempt::refused("spawn-process", "start another process", Errno::EPERM, spawn_process),
    Attempt::expecting(
        crate::attempt::Expected::Nothing,
        "find-processes",
        "find another process by its id",
        find_processes,
    ),
    Attempt::expecting(
        crate::attempt::Expected::Nothing,
        "signal-parent",
        "signal its parent",
        signal_parent,
    ),
    Attempt::refused("signal-init", "signal process 1", Errno::EPERM, |_| signal(Pid::from_raw(1))),
    Attempt::refused("signal-other", "signal another process", Errno::EPERM, |context| {
        signal(context.victim)
    }),
    Attempt::refused("signal-all", "signal every process", Errno::EPERM, |_| signal(Pid::from_raw(-1))),
    Attempt::refused("open-process", "take hold of another process (pidfd_open)", Errno::EPERM, open_process),
    Attempt::refused("limit-other", "change a limit of another process", Errno::EPERM, limit_other),
    Attempt::refused("raise-own-limit", "raise a hard limit of its own", Errno::EPERM, raise_own_limit),
    Attempt::refused("raise-priority", "raise its priority", Errno::EPERM, raise_priority),
    Attempt::refused("pin-processor", "choose its processors", Errno::EPERM, pin_processor),
    Attempt::refused("become-dumpable", "make itself readable for debuggers", Errno::EPERM, become_dumpable),
    Attempt::refused("become-root", "become root", Errno::EPERM, become_root),
    Attempt::refused("drop-groups", "change its groups", Errno::EPERM, drop_groups),
    Attempt::refused("set-capabilities", "set its Linux capabilities", Errno::EPERM, set_capabilities),
    Attempt::lethal("trace-me", "be traced by its parent", trace_me),
    Attempt::lethal("trace-other", "trace another process", trace_other),
    Attempt::lethal("read-memory", "read the memory of another process", read_memory),
    Attempt::lethal("write-memory", "write to the memory of another process", write_memory),
    Attempt::lethal("take-descriptor", "take a descriptor of another process", take_descriptor),
];

/// Only returns if it is refused; the program itself reports that it ran.
fn write_and_execute(context: &Context) -> Tried {
    let program = own_program(context)?;
    let arguments = [c_path(&program)?, c"write-and-execute".into(), c_path(&context.report)?];
    match execv(c_path(&program)?.as_c_str(), &arguments)? {}
}

/// Only returns if it is refused. This is the call by which the launcher starts modules, so the filter has a way
/// through for it: once, for who knows the ticket of that start.
fn execute_descriptor(context: &Context) -> Tried {
    let program = own_program(context)?;
    let arguments = [c_path(&program)?, c"execute-descriptor".into(), c_path(&context.report)?];
    let opened = File::open(&program)?;
    // The interpreter of a script opens it by this number.
    rustix::io::fcntl_setfd(&opened, FdFlags::empty())?;
    let no_environment: [&CStr; 0] = [];
    match fexecve(opened, &arguments, &no_environment)? {}
}

/// Only returns if it is refused; the new image of this program reports that it ran.
fn execute_itself(context: &Context) -> Tried {
    let arguments = executed_arguments("execute-itself", context)?;
    match execv(c"/proc/self/exe", &arguments)? {}
}

/// The arguments with which this program does nothing but report that it was executed.
pub(super) fn executed_arguments(attempt: &str, context: &Context) -> Result<[CString; 4], Refused> {
    let name = c_path(Path::new(attempt))?;
    Ok([c"escape-artist".into(), c"--executed".into(), name, c_path(&context.report)?])
}

/// Without redirections: those would fail before the process is made, for want of /dev/null.
fn spawn_process(_: &Context) -> Tried {
    let status = Command::new("/proc/self/exe").arg("--list").status()?;
    succeeded(format!("a process ran and ended with {status}"))
}

/// `sched_getaffinity` tells, of any process id, whether there is such a process.
fn find_processes(_: &Context) -> Tried {
    let own = getpid();
    let exists = |pid: &Pid| nix::sched::sched_getaffinity(*pid).is_ok();
    let found = PIDS.map(Pid::from_raw).filter(|pid| *pid != own).find(exists);
    match found {
        Some(pid) => succeeded(format!("process {pid} exists")),
        None => Ok(Met::Nothing(format!("no process but itself among {} ids", PIDS.end()))),
    }
}

fn signal_parent(_: &Context) -> Tried {
    match rustix_process::getppid() {
        Some(_) => signal(nix::unistd::getppid()),
        None => Ok(Met::Nothing("its parent has no process id in here".to_owned())),
    }
}

/// Signal 0 is checked like any other, and harms nobody.
fn signal(pid: Pid) -> Tried {
    kill(pid, None)?;
    succeeded("may signal it")
}

fn raw(pid: Pid) -> Result<rustix_process::Pid, Refused> {
    rustix_process::Pid::from_raw(pid.as_raw()).ok_or_else(|| Errno::ESRCH.into())
}

fn open_process(context: &Context) -> Tried {
    rustix_process::pidfd_open(raw(context.victim)?, PidfdFlags::empty())?;
    succeeded("holds a pidfd of it")
}

fn limit_other(context: &Context) -> Tried {
    let present = rustix_process::getrlimit(Resource::Core);
    rustix_process::prlimit(Some(raw(context.victim)?), Resource::Core, present)?;
    succeeded("set its limit on core dumps")
}

fn raise_own_limit(_: &Context) -> Tried {
    let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    // Most hard limits of a host are infinite, so the way up begins with a step down.
    rustix_process::setrlimit(Resource::Core, limit(1))?;
    rustix_process::setrlimit(Resource::Core, limit(2))?;
    succeeded("raised its limit on core dumps")
}

fn raise_priority(_: &Context) -> Tried {
    rustix_process::setpriority_process(None, -1)?;
    succeeded("raised it to -1")
}

fn pin_processor(_: &Context) -> Tried {
    let present = rustix::thread::sched_getaffinity(None)?;
    rustix::thread::sched_setaffinity(None, &present)?;
    succeeded("chose the processors it has")
}

fn become_dumpable(_: &Context) -> Tried {
    prctl::set_dumpable(true)?;
    succeeded("it is dumpable")
}

fn become_root(_: &Context) -> Tried {
    rustix::thread::set_thread_uid(rustix_process::Uid::ROOT)?;
    succeeded("it is root")
}

fn drop_groups(_: &Context) -> Tried {
    rustix::thread::set_thread_groups(&[])?;
    succeeded("it has no groups any more")
}

fn set_capabilities(_: &Context) -> Tried {
    let wanted = CapabilitySet::SYS_ADMIN;
    let sets = CapabilitySets { effective: wanted, permitted: wanted, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    succeeded("it has CAP_SYS_ADMIN")
}

fn trace_me(_: &Context) -> Tried {
    ptrace::traceme()?;
    succeeded("its parent traces it")
}

fn trace_other(context: &Context) -> Tried {
    ptrace::attach(context.victim)?;
    waitpid(context.victim, None)?;
    ptrace::detach(context.victim, None)?;
    succeeded("traced it")
}

fn secret_of(context: &Context) -> [RemoteIoVec; 1] {
    [RemoteIoVec { base: context.victim_address, len: SECRET.len() }]
}

fn read_memory(context: &Context) -> Tried {
    let mut buffer = [0; SECRET.len()];
    process_vm_readv(context.victim, &mut [IoSliceMut::new(&mut buffer)], &secret_of(context))?;
    succeeded(format!("read `{}`", String::from_utf8_lossy(&buffer)))
}

fn write_memory(context: &Context) -> Tried {
    let count = process_vm_writev(context.victim, &[IoSlice::new(SECRET)], &secret_of(context))?;
    succeeded(format!("wrote {count} bytes"))
}

/// Where no pidfd is to be had, any other descriptor does: the call is what counts.
fn take_descriptor(context: &Context) -> Tried {
    let process = hold(context)?;
    rustix_process::pidfd_getfd(process.as_fd(), 0, PidfdGetfdFlags::empty())?;
    succeeded("took its standard input")
}

fn hold(context: &Context) -> Result<OwnedFd, Refused> {
    match rustix_process::pidfd_open(raw(context.victim)?, PidfdFlags::empty()) {
        Ok(process) => Ok(process),
        Err(_refused) => Ok(File::open(&context.data_dir)?.into()),
    }
}

/// A namespace of another process, or any other descriptor where there is no /proc to find it in.
pub(super) fn namespace_of_other(context: &Context, name: &str) -> Result<OwnedFd, Refused> {
    let path = PathBuf::from(format!("/proc/{}/ns/{name}", context.victim));
    Ok(File::open(path).or_else(|_missing| File::open(&context.data_dir))?.into())
}
