//! Timers without end. The core answers with a quota.

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "exhaust-timers",
    "register 1000 timers",
    Expected::Api("QuotaExceeded"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.register_timer(60_000, "own".to_owned()).await)?;
    for count in 0..1000 {
        host.node.register_timer(60_000, count.to_string()).await?;
    }
    succeeded("registered them")
}
