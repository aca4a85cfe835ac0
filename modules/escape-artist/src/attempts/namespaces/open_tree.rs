//! open_tree(2) with OPEN_TREE_CLONE: a copy of a mount, held by a descriptor. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("open-tree", "copy a mount (open_tree)", run);

use rustix::mount::{OpenTreeFlags, open_tree};

fn run(_: &Context) -> Tried {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(rustix::fs::CWD, "/", flags)?;
    succeeded("holds a copy of /")
}
