//! Reaching parts of the kernel that modules do not need, and making memory executable.
//!
//! Not tried, because their success would harm the machine: reboot, kexec, init_module, swapon, acct, quotactl,
//! setting the clock. Not tried, because no safe code makes these calls: userfaultfd, kcmp,
//! open_by_handle_at, syslog, iopl.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use io_uring::IoUring;
use linux_keyutils::{KeyError, KeyRing, KeyRingIdentifier};
use memmap2::MmapMut;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::personality::{self, Persona};
use nix::unistd::{fexecve, syncfs};
use perf_event::events::Software;

use super::processes::executed_arguments;
use crate::attempt::{Attempt, Refused, Tried, succeeded};
use crate::context::Context;

const ONE_PAGE_BYTES: usize = 4096;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("io-uring", "make system calls through io_uring", Errno::ENOSYS, io_uring),
    Attempt::refused("keyring", "reach the kernel's keyrings", Errno::EPERM, keyring),
    Attempt::refused("memfd-execute", "execute a program from memory", Errno::EPERM, memfd_execute),
    Attempt::refused(
        "personality",
        "make all memory executable (personality)",
        Errno::EPERM,
        set_personality,
    ),
    Attempt::refused(
        "memory-write-then-execute",
        "make written memory executable",
        Errno::EACCES,
        write_then_execute,
    ),
    Attempt::refused(
        "memory-write-and-execute",
        "map memory both writable and executable",
        Errno::EACCES,
        write_and_execute,
    ),
    Attempt::refused("lock-memory", "lock its memory", Errno::EPERM, lock_memory),
    Attempt::refused("sync-host", "make the host write back a file system", Errno::EPERM, sync_host),
    Attempt::refused("host-load", "learn the host's memory and load (sysinfo)", Errno::EPERM, host_load),
    Attempt::lethal("bpf", "load an object into the kernel (bpf)", bpf),
    Attempt::lethal("perf-event", "watch the processor (perf_event_open)", perf_event),
];

fn io_uring(_: &Context) -> Tried {
    IoUring::new(1)?;
    succeeded("made a ring")
}

fn keyring(_: &Context) -> Tried {
    KeyRing::from_special_id(KeyRingIdentifier::Process, true).map_err(refused_key)?;
    succeeded("made a keyring")
}

fn refused_key(error: KeyError) -> Refused {
    if let KeyError::PermissionDenied = error {
        return Errno::EPERM.into();
    }
    if let KeyError::Unknown(raw) = error {
        return Errno::from_raw(raw).into();
    }
    Errno::UnknownErrno.into()
}

/// Only returns if it is refused; the new image of this program reports that it ran.
fn memfd_execute(context: &Context) -> Tried {
    let mut program = File::from(memfd_create(c"escape", MFdFlags::MFD_CLOEXEC)?);
    io::copy(&mut File::open("/proc/self/exe")?, &mut program)?;
    let no_environment: [&CStr; 0] = [];
    match fexecve(program, &executed_arguments("memfd-execute", context)?, &no_environment)? {}
}

fn set_personality(_: &Context) -> Tried {
    personality::set(Persona::READ_IMPLIES_EXEC)?;
    succeeded("whatever it maps to read can be executed")
}

fn write_then_execute(_: &Context) -> Tried {
    let mut memory = MmapMut::map_anon(ONE_PAGE_BYTES)?;
    memory.fill(0xc3);
    let _executable = memory.make_exec()?;
    succeeded("what it wrote can be executed")
}

fn write_and_execute(_: &Context) -> Tried {
    match region::alloc(ONE_PAGE_BYTES, region::Protection::READ_WRITE_EXECUTE) {
        Ok(_memory) => succeeded("what it writes can be executed"),
        Err(error) => Err(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw).into()),
    }
}

fn lock_memory(_: &Context) -> Tried {
    mlockall(MlockAllFlags::MCL_CURRENT)?;
    succeeded("locked all of it")
}

fn sync_host(context: &Context) -> Tried {
    syncfs(File::open(&context.data_dir)?)?;
    succeeded("wrote back all of the host's file system")
}

fn host_load(_: &Context) -> Tried {
    let host = nix::sys::sysinfo::sysinfo()?;
    succeeded(format!("the host has {} bytes of memory", host.ram_total()))
}

fn bpf(_: &Context) -> Tried {
    match aya::sys::is_map_supported(aya::maps::MapType::Array) {
        Ok(true) => succeeded("made an array in the kernel"),
        Ok(false) => Err(Errno::ENOSYS.into()),
        Err(error) => Err(error.io_error.into()),
    }
}

fn perf_event(_: &Context) -> Tried {
    perf_event::Builder::new(Software::CPU_CLOCK).build()?;
    succeeded("made a counter")
}
