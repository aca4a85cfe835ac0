//! listmount(2) of Linux 6.8 tells what is mounted, without /proc. The filter answers, as it does to every call that
//! nobody thought of.

use crate::attempt::{Attempt, Context, Errno, Layer, Needs, Tried, succeeded};
use crate::raw::{at, call, into};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("list-mounts", "learn what is mounted (listmount)", Layer::Seccomp, Errno::EPERM, run)
        .needing(Needs::Call("listmount"));

const SYS_LISTMOUNT: i64 = 458;

/// struct mnt_id_req of listmount(2): size and spare, mnt_id, param.
fn run(_: &Context) -> Tried {
    const ROOT: u64 = u64::MAX;
    let (request, mut found) = ([24, ROOT, 0], [0_u64; 64]);
    let count = call(SYS_LISTMOUNT, &[at(&request), into(&mut found), 64, 0])?;
    succeeded(format!("{count} mounts"))
}
