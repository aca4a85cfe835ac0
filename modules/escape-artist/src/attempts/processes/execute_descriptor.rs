//! execveat(2), by which the launcher starts modules: the filter has a way through for it, once, for who knows the
//! ticket of that start. The filter answers.

use std::ffi::CStr;
use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::{c_path, own_program};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "execute-descriptor",
    "execute a program it wrote by its descriptor",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

/// Only returns if it is refused.
fn run(context: &Context) -> Tried {
    let program = own_program(context)?;
    let arguments = [c_path(&program)?, c"execute-descriptor".into(), c_path(&context.report)?];
    let opened = File::open(&program)?;
    // The interpreter of a script opens it by this number.
    rustix::io::fcntl_setfd(&opened, rustix::io::FdFlags::empty())?;
    let no_environment: [&CStr; 0] = [];
    match nix::unistd::fexecve(opened, &arguments, &no_environment)? {}
}
