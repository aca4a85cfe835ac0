//! An event that only the core publishes: modules would take it for a block. The core answers. Its own act is an event
//! that its manifest names.

use cofferdam_sdk::{Bytes, EventType};

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "publish-core-event",
    "publish an event of the core",
    Expected::Api("InvalidArgument"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.publish_event(EventType::PaymentSettled, Bytes::from_static(b"{}")).await)?;
    host.node.publish_event(EventType::NewBlock, Bytes::from_static(b"{}")).await?;
    succeeded("others believe in a block")
}
