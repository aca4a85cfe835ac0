//! execve(2) of a program that it wrote itself. The filter answers; the directory is mounted noexec.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::{c_path, own_program};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("write-and-execute", "execute a program it wrote", Layer::Seccomp, Errno::EPERM, run);

/// Only returns if it is refused; the program itself reports that it ran.
fn run(context: &Context) -> Tried {
    let program = c_path(&own_program(context)?)?;
    let arguments = [program.clone(), c"write-and-execute".into(), c_path(&context.report)?];
    match nix::unistd::execv(&program, &arguments)? {}
}
