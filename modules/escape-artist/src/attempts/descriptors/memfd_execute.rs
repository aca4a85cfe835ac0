//! memfd_create(2) and fexecve(3): a program in memory, past every rule about files. The filter answers.

use std::ffi::CStr;
use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::executed_arguments;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("memfd-execute", "execute a program from memory", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Only returns if it is refused; the new image of this program reports that it ran.
fn run(context: &Context) -> Tried {
    let mut program = File::from(memfd_create(c"escape", MFdFlags::MFD_CLOEXEC)?);
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut program)?;
    let no_environment: [&CStr; 0] = [];
    match nix::unistd::fexecve(program, &executed_arguments("memfd-execute", context)?, &no_environment)? {}
}
