//! The only folder of the workspace where `unsafe` may stand: thin, typed wrappers around system calls.
//!
//! Nothing here decides anything. A wrapper takes borrowed descriptors and C strings, so its caller cannot
//! hand it a bad pointer, and returns the kernel's error number. What the child calls between clone and exec
//! is in [`child`]: raw system calls that neither allocate, lock nor touch the C library's state.

#![expect(unsafe_code, reason = "system calls that no safe wrapper offers; one operation per block")]

pub(crate) mod child;
pub(crate) mod clone;
pub(crate) mod image;
pub(crate) mod inside;
pub(crate) mod notify;
pub(crate) mod parent;
pub(crate) mod quota;
pub(crate) mod trial;
