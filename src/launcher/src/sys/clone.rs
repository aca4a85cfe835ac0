//! clone3(2) with shared memory: the child runs a function on a stack of its own while the parent waits.
//!
//! `CLONE_VM | CLONE_VFORK` makes a start independent of the launcher's memory size and lets the child report
//! a failure by a plain store. The kernel holds the parent until the child has executed its program or ended,
//! so the two never run at once. No glibc wrapper knows clone3, and the child must not return into the
//! parent's frames: hence the few instructions of assembly.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// What clone3(2) takes, `CLONE_ARGS_SIZE_VER2`.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// CLONE_CLEAR_SIGHAND, since Linux 5.5: handlers of the parent never run in the child.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// CLONE_INTO_CGROUP, since Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The child's stack between clone and exec. The deepest path of `child.rs` uses under 4 KiB in a debug build.
pub(crate) const CHILD_STACK_BYTES: usize = 128 * 1024;

/// Below the stack nothing can be written: a child that needed more would end there and not in the launcher's heap.
const GUARD_BYTES: usize = 4096;

/// A stack for one child, reused for every start.
pub(crate) struct ChildStack(NonNull<c_void>);

impl ChildStack {
    /// Maps the stack and its guard.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self, Errno> {
        let whole = NonZeroUsize::MIN.saturating_add(CHILD_STACK_BYTES + GUARD_BYTES - 1);
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let base =
            unsafe { mmap_anonymous(None, whole, access, MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK) }?;
        let stack = Self(base);
        // SAFETY: the first page of the mapping that was just made, which nothing refers to.
        unsafe { mprotect(base, GUARD_BYTES, ProtFlags::PROT_NONE) }?;
        Ok(stack)
    }

    /// The lowest address that the child may use.
    fn lowest(&self) -> u64 {
        address(self.0.as_ptr()) + u64::try_from(GUARD_BYTES).unwrap_or(0)
    }
}

impl Drop for ChildStack {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, whole; no child runs on it: whoever cloned one has waited.
        let _cannot_fail = unsafe { munmap(self.0, CHILD_STACK_BYTES + GUARD_BYTES) };
    }
}

/// A child that has executed its program, or has ended.
pub(crate) struct Child {
    /// Its process id in the launcher's pid namespace.
    pub(crate) pid: libc::pid_t,
    /// Its pidfd.
    pub(crate) pidfd: OwnedFd,
}

/// Namespaces the child is born into, as clone flags.
#[derive(Clone, Copy)]
pub(crate) struct NewNamespaces(pub(crate) libc::c_int);

/// Starts a child that runs `body(argument)` in this process's memory, on `stack`, and waits until it has
/// executed a program or ended. `cgroup` is the cgroup v2 directory to be born into.
///
/// `body` must end in exec or exit; it is handed a shared reference while the caller's borrow lasts, and the
/// caller is suspended meanwhile.
///
/// # Errors
/// The kernel's error when no child was made.
pub(crate) fn clone_and_wait<T>(
    stack: &mut ChildStack,
    namespaces: NewNamespaces,
    cgroup: Option<BorrowedFd<'_>>,
    body: extern "C" fn(&T) -> !,
    argument: &T,
) -> Result<Child, Errno> {
    let mut pidfd: RawFd = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | namespaces.0;
    let mut arguments = CloneArgs {
        flags: u64::from(flags.cast_unsigned()) | CLONE_CLEAR_SIGHAND,
        pidfd: address(&raw mut pidfd),
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: stack.lowest(),
        stack_size: u64::try_from(CHILD_STACK_BYTES).unwrap_or(0),
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: `arguments` describes a stack that is ours alone and larger than the body needs, and points at
    // a live `pidfd`. `body` has the C calling convention and takes one pointer, `argument`, which outlives
    // the wait that CLONE_VFORK imposes on us.
    let result = unsafe { raw_clone3(&arguments, address(body_pointer(body)), address(argument)) };
    if result < 0 {
        return Err(Errno::from_raw(i32::try_from(-result).unwrap_or(i32::MAX)));
    }
    // SAFETY: the kernel has stored a new descriptor there, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Child { pid: libc::pid_t::try_from(result).unwrap_or(0), pidfd })
}

fn address<T: ?Sized>(pointer: *const T) -> u64 {
    u64::try_from(pointer.cast::<u8>().addr()).unwrap_or(0)
}

fn body_pointer<T>(body: extern "C" fn(&T) -> !) -> *const u8 {
    // A function pointer has no safe way to a data pointer but a cast.
    #[expect(clippy::as_conversions, reason = "a function pointer's address")]
    {
        body as *const u8
    }
}

/// # Safety
/// `arguments` must describe a stack for the child alone; `body` must be the address of a C function of one
/// pointer argument that never returns; the memory that it uses must stay alive while the parent waits.
#[cfg(target_arch = "x86_64")]
unsafe fn raw_clone3(arguments: &CloneArgs, body: u64, argument: u64) -> i64 {
    let result: i64;
    // SAFETY: on the parent's side only rax, rcx and r11 change, as for any system call. The child wakes with
    // rsp at the top of its own stack, 16-byte aligned as the C convention wants before a call, and never
    // comes back from `body`.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(arguments),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") argument,
            in("r13") body,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "cofferdam-launcher starts children with x86_64 assembly; add this architecture's clone3 here"
);
