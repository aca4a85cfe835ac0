//! A timer's id that is not its own. The core answers that there is none.

use crate::attempt::{Attempt, Expected, Host, Refused, Run, Tried, nothing, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "cancel-timer-of-other",
    "cancel another module's timer",
    Expected::Nothing,
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    let timer = own(host.node.register_timer(60_000, "own".to_owned()).await)?;
    let cancelled = host.node.cancel_timer(timer.wrapping_add(1)).await?;
    if !own(host.node.cancel_timer(timer).await)? {
        return Err(Refused::NoControl("its own timer could not be cancelled".to_owned()));
    }
    if cancelled { succeeded("cancelled it") } else { nothing("there is no such timer") }
}
