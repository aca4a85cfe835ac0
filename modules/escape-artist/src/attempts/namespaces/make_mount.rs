//! fsmount(2) makes a mount that no path leads to. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{call, reached};
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("make-mount", "make a mount (fsmount)", run);

fn run(context: &Context) -> Tried {
    let directory = own_directory(context)?;
    reached(call(libc::SYS_fsmount, &[number(&directory)]), Errno::EINVAL)
}
