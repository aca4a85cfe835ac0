//! System calls as the probe makes them from inside a sandbox: any number, any arguments, nothing checked. They are
//! made in a process that exists for nothing else and that its launcher ends.

use std::num::NonZeroUsize;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The probe's connection to the launcher: the descriptor that a module has to the core.
pub(crate) fn connection() -> UnixStream {
    // SAFETY: the profile of every module hands it a socket as descriptor 3, and nothing else here owns it. Where
    // there is none, the first read fails and the probe ends.
    unsafe { UnixStream::from_raw_fd(3) }
}

/// Makes the call and returns what the kernel returned. A child that the call made ends at once.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call(number: u64, arguments: &[u64; 6]) -> i64 {
    let [first, second, third, fourth, fifth, sixth] = *arguments;
    let result: i64;
    // SAFETY: the caller asks for calls whose pointers are invalid or unused, so the kernel writes to no memory of
    // this process. fork(2) and its kin return 0 in the child, which must not go on: it ends here, on whatever
    // stack it has, without returning.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 3f",
            "cmp {number}, 56",
            "jb 3f",
            "cmp {number}, 58",
            "jbe 2f",
            "cmp {number}, 435",
            "jne 3f",
            "2:",
            "mov edi, 0",
            "mov eax, 231",
            "syscall",
            "ud2",
            "3:",
            number = in(reg) number,
            inlateout("rax") number => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            in("r9") sixth,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// getpid(2) through the 32-bit entry.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_by_32_bit_entry() -> i64 {
    const GETPID_32: i64 = 20;
    let result: i64;
    // SAFETY: getpid takes no argument and touches no memory; the entry changes rax and, on some kernels, r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") GETPID_32 => result,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    result
}

/// Maps the first page of a file to be read and executed, and gives it back.
///
/// # Errors
/// The kernel's: `EPERM` on a file system that is mounted noexec.
pub(crate) fn map_to_execute(file: &std::fs::File) -> Result<(), Errno> {
    const PAGE_BYTES: usize = 4096;
    let length = NonZeroUsize::MIN.saturating_add(PAGE_BYTES - 1);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe { mmap(None, length, access, MapFlags::MAP_PRIVATE, file, 0) }?;
    // SAFETY: the mapping that was just made, whole; nothing refers to it.
    unsafe { munmap(page, PAGE_BYTES) }
}
