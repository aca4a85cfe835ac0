//! pivot_root(2): another root, below which the old one can be reached. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("pivot-root", "change the root of its mounts", run);

fn run(context: &Context) -> Tried {
    nix::unistd::pivot_root(&context.mount_point, &context.mount_point)?;
    succeeded("changed it")
}
