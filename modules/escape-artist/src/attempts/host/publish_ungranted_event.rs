//! An event of another module's trade, which its manifest does not name. The core answers.

use cofferdam_sdk::{Bytes, EventType};

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "publish-ungranted-event",
    "publish an event that it was not granted",
    Expected::Api("EventNotGranted"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.publish_event(EventType::PaymentSettled, Bytes::from_static(b"{}")).await)?;
    host.node.publish_event(EventType::PaymentVerified, Bytes::from_static(b"{}")).await?;
    succeeded("others believe that somebody paid")
}
