//! open(2) with O_CREAT and a mode with set-user-ID: the same without chmod(2). The filter answers.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "create-set-user-id",
    "create a file that is set-user-ID",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let path = context.data_dir.join("created-set-user-id");
    OpenOptions::new().write(true).create_new(true).mode(0o4755).open(path)?;
    succeeded("whoever runs it becomes its owner")
}
