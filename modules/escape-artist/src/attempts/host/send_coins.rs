//! A transaction to be relayed, the call that a thief wants. The core answers: it was not granted.

use cofferdam_sdk::{LogLevel, RawTransaction};

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "send-coins",
    "send a transaction",
    Expected::Api("PermissionDenied"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.log(LogLevel::Debug, "about to be refused".to_owned()).await)?;
    host.node.send_transaction(RawTransaction::new(vec![0; 64])).await?;
    succeeded("the node took it")
}
