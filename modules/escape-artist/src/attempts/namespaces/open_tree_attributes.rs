//! open_tree_attr(2) of Linux 6.15: a copy of a mount with other flags, by a number that older filters do not know.
//! The filter answers, and kills.

use crate::attempt::{Attempt, Context, Needs, Tried, succeeded};
use crate::raw::{at, call};

pub(super) const ATTEMPT: Attempt =
    Attempt::lethal("open-tree-attributes", "copy a mount with other flags (open_tree_attr)", run)
        .needing(Needs::Call("open_tree_attr"));

const SYS_OPEN_TREE_ATTR: i64 = 467;

fn run(_: &Context) -> Tried {
    let attributes = [0_u64; 4];
    let place = at(c"/".to_bytes_with_nul());
    let clone = 1;
    call(SYS_OPEN_TREE_ATTR, &[libc::AT_FDCWD.into(), place, clone, at(&attributes), 32])?;
    succeeded("holds a copy of /")
}
