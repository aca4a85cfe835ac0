//! A symbolic link in its own directory that leads out: for itself, or for who reads the directory from outside
//! (CVE-2018-15664, docker cp; CVE-2021-25741, Kubernetes). The filter answers: a module makes no links.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "symlink-outside",
    "read /etc/passwd by a symbolic link",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let link = context.data_dir.join("symlink");
    std::os::unix::fs::symlink("/etc/passwd", &link)?;
    read(link)
}
