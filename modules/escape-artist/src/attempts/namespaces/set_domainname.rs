//! setdomainname(2). The filter answers, and kills; its uts namespace is its own.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("set-domainname", "change the domain's name", run);

fn run(_: &Context) -> Tried {
    rustix::system::setdomainname(b"escaped")?;
    succeeded("it is now `escaped`")
}
