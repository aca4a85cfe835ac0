//! What the child hands to the kernel by pointer, built before clone so that the child only reads it.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use syscalls::Errno;

use super::child::{Outcome, execveat_with_ticket, sendmsg_with_ticket};

/// A null-terminated array of C strings, as exec takes it.
struct CStringArray {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl CStringArray {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }
}

/// The arguments and the environment of a program.
pub(crate) struct ExecImage {
    arguments: CStringArray,
    environment: CStringArray,
}

impl ExecImage {
    /// Takes both over.
    pub(crate) fn new(arguments: Vec<CString>, environment: Vec<CString>) -> Self {
        Self { arguments: CStringArray::new(arguments), environment: CStringArray::new(environment) }
    }

    /// Executes the program behind `program`; returns only on failure.
    pub(crate) fn exec(&self, program: RawFd, ticket: u64) -> Errno {
        let arguments = self.arguments.pointers.as_ptr();
        let environment = self.environment.pointers.as_ptr();
        // SAFETY: both arrays end with null and point into strings that `self` owns.
        unsafe { execveat_with_ticket(program, arguments, environment, ticket) }
    }
}

/// A message of one byte that carries one descriptor, whose number is fixed before clone.
pub(crate) struct DescriptorMessage {
    header: Box<libc::msghdr>,
    _part: Box<libc::iovec>,
    _byte: Box<u8>,
    _control: Box<Control>,
}

/// One control message with one descriptor, in the layout of cmsg(3).
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    descriptor: RawFd,
    _padding: u32,
}

impl DescriptorMessage {
    /// A message that will carry descriptor number `descriptor` of whoever sends it.
    pub(crate) fn new(descriptor: RawFd) -> Self {
        let mut byte = Box::new(1_u8);
        let mut part = Box::new(libc::iovec { iov_base: (&raw mut *byte).cast(), iov_len: 1 });
        let mut control = Box::new(Control {
            header: libc::cmsghdr {
                cmsg_len: size_of::<libc::cmsghdr>() + size_of::<RawFd>(),
                cmsg_level: libc::SOL_SOCKET,
                cmsg_type: libc::SCM_RIGHTS,
            },
            descriptor,
            _padding: 0,
        });
        let header = Box::new(libc::msghdr {
            msg_name: std::ptr::null_mut(),
            msg_namelen: 0,
            msg_iov: &raw mut *part,
            msg_iovlen: 1,
            msg_control: (&raw mut *control).cast(),
            msg_controllen: size_of::<Control>(),
            msg_flags: 0,
        });
        Self { header, _part: part, _byte: byte, _control: control }
    }

    /// Sends it on `channel`, a descriptor number of the child.
    pub(crate) fn send(&self, channel: RawFd, ticket: u64) -> Outcome {
        // SAFETY: the header points into boxes that `self` owns and never moves.
        unsafe { sendmsg_with_ticket(channel, &raw const *self.header, ticket) }
    }
}

/// A C string of text that may hold a null byte: cut there, for names only.
pub(crate) fn c_string_lossy(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().take_while(|byte| *byte != 0).chain([0]).collect();
    CStr::from_bytes_until_nul(&bytes).map(CStr::to_owned).unwrap_or_default()
}
