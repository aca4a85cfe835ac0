//! fsconfig(2), whose parser of options overran its buffer in every user namespace (CVE-2022-0185). The filter
//! answers, and kills.

use crate::attempt::{Attempt, Context, Errno, Tried};
use crate::raw::{call, reached};
use crate::steps::{number, own_directory};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("configure-file-system", "configure a file system (fsconfig)", run);

fn run(context: &Context) -> Tried {
    let directory = own_directory(context)?;
    reached(call(libc::SYS_fsconfig, &[number(&directory), 0]), Errno::EINVAL)
}
