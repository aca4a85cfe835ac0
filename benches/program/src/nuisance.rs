//! Modules that do their worst to their neighbours.

use std::time::Duration;

use cofferdam_sdk::{EventType, SdkError};

use crate::connect;

/// As many calls as it may have under way, for ever.
pub(crate) async fn flood() -> Result<(), SdkError> {
    let integration = connect().await?;
    println!("begins");
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let node = integration.node_api();
        callers.spawn(async move { while node.get_block_height().await.is_ok() {} });
    }
    while callers.join_next().await.is_some() {}
    Ok(())
}

/// Asks for blocks, and never reads what comes.
pub(crate) async fn unread() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    let tip = node.get_chain_tip().await?;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let node = node.clone();
        callers.spawn(async move { node.get_block(tip).await });
    }
    // Each sends its request; then nothing of this program runs any more.
    tokio::task::yield_now().await;
    sleep_for_ever()
}

/// Subscribes to everything, and never reads what comes.
pub(crate) async fn stall() -> Result<(), SdkError> {
    let mut integration = connect().await?;
    integration.subscribe_events(EventType::ALL.to_vec()).await?;
    sleep_for_ever()
}

fn sleep_for_ever() -> Result<(), SdkError> {
    println!("begins");
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
