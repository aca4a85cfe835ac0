//! System calls of trials and probes alone: what a host or a sandbox answers is found out by asking.

use std::num::NonZeroUsize;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Takes ownership of the listener that `seccomp_with_listener` has just returned.
pub(crate) fn own(listener: usize) -> Option<OwnedFd> {
    let number = RawFd::try_from(listener).ok()?;
    // SAFETY: the kernel has just made this descriptor for the caller, and nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Maps a page that is writable and executable, and gives it back.
///
/// # Errors
/// `EACCES` where PR_SET_MDWE or another rule of the kernel's refuses it.
pub(crate) fn map_write_execute() -> Result<(), Errno> {
    const PAGE_BYTES: usize = 4096;
    let length = NonZeroUsize::MIN.saturating_add(PAGE_BYTES - 1);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) }?;
    // SAFETY: the mapping that was just made, whole; nothing refers to it.
    unsafe { munmap(page, PAGE_BYTES) }
}
