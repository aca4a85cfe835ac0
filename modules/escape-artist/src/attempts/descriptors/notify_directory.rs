//! fcntl(2) F_NOTIFY sends a signal at each change of a directory. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};
use crate::raw::call;
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "notify-directory",
    "be signalled when a directory changes",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    const DN_DELETE: i64 = 0x8;
    let directory = own_directory(context)?;
    call(libc::SYS_fcntl, &[number(&directory), libc::F_NOTIFY.into(), DN_DELETE])?;
    succeeded("it will be")
}
