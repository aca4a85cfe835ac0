//! sethostname(2). The filter answers, and kills; its uts namespace is its own.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("set-hostname", "change the host's name", run);

fn run(_: &Context) -> Tried {
    nix::unistd::sethostname("escaped")?;
    succeeded("it is now `escaped`")
}
