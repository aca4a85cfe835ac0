//! renameat2(2) with RENAME_EXCHANGE swaps a checked path for another between check and use (CVE-2018-15664, docker
//! cp; CVE-2021-30465, runc). The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Refused, Tried};
use crate::raw::reached;
use crate::steps::own_file;

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("exchange-names", "swap two paths at once", Layer::Seccomp, Errno::EPERM, run);

use rustix::fs::{CWD, RenameFlags, renameat_with};

fn run(context: &Context) -> Tried {
    let (one, other) = (own_file(context, "one")?, own_file(context, "other")?);
    let swapped = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
    reached(swapped.map(|()| 0).map_err(Refused::from), Errno::EINVAL)
}
