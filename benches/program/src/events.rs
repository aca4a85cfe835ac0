//! An event from its publisher to all who hear it.

use std::time::Duration;

use cofferdam_sdk::{EventPayload, EventType, ModuleMessage, SdkError};

use crate::{connect, count, now_ns, print_times, setting};

/// Publishes events with pauses; prints when each was sent.
pub(crate) async fn publish() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    // Those who hear are all there by then.
    let wait = setting("MODULE_CONFIG_WAIT_MS", 1000);
    tokio::time::sleep(Duration::from_millis(wait.try_into().unwrap_or(u64::MAX))).await;
    let mut times = Vec::new();
    for _ in 0..count() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        times.push(now_ns());
        node.publish_event(EventType::PaymentSettled, vec![7; 64].into()).await?;
    }
    print_times(&times);
    Ok(())
}

/// Prints when each event was heard.
pub(crate) async fn hear() -> Result<(), SdkError> {
    let mut integration = connect().await?;
    integration.subscribe_events(vec![EventType::PaymentSettled]).await?;
    let mut events = integration.event_receiver();
    println!("hears");
    let mut times = Vec::new();
    while times.len() < count()
        && let Some(ModuleMessage::Event(event)) = events.recv().await
    {
        if matches!(event.payload, EventPayload::PaymentSettled(_)) {
            times.push(now_ns());
        }
    }
    print_times(&times);
    Ok(())
}
