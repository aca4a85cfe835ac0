//! Prints what the host tells and answers, a line each. It never leaves anything out.

use std::process::ExitCode;

use cofferdam_sdk::{EventPayload, EventType, ModuleIntegration, ModuleMessage, SdkError};

use crate::{connect, failed, wait};

/// What becomes of modules and of the node.
pub(crate) const LIFECYCLE: &[EventType] =
    &[EventType::ModuleLoaded, EventType::ModuleUnloaded, EventType::ModuleCrashed];

/// What becomes of the best chain.
pub(crate) const CHAIN: &[EventType] =
    &[EventType::NewBlock, EventType::BlockDisconnected, EventType::ChainReorg];

/// Prints each event of these types, until the node shuts down.
pub(crate) async fn to_events(types: &[EventType]) -> ExitCode {
    let mut integration = match connect().await {
        Ok(integration) => integration,
        Err(code) => return code,
    };
    if let Err(error) = integration.subscribe_events(types.to_vec()).await {
        return failed(error);
    }
    println!("subscribed");
    let mut events = integration.event_receiver();
    while let Some(message) = events.recv().await {
        if let ModuleMessage::Event(event) = message {
            println!("{}", line(&event.payload));
            if let EventPayload::NodeShutdown { .. } = event.payload {
                println!("goodbye");
                return ExitCode::SUCCESS;
            }
        }
    }
    wait().await
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are shown as they are")]
fn line(event: &EventPayload) -> String {
    match event {
        EventPayload::NewBlock { hash, height, .. } => format!("event + {height} {hash}"),
        EventPayload::BlockDisconnected { hash, height } => format!("event - {height} {hash}"),
        EventPayload::ChainReorg { old_tip, new_tip, fork_height, depth } => {
            format!("event reorg {old_tip} {new_tip} above {fork_height} depth {depth}")
        }
        other => format!("event {other:?}"),
    }
}

/// Asks for the first transaction of the block at height 1, and prints the answer.
pub(crate) async fn ask_for_the_first_transaction() -> ExitCode {
    let integration = match connect().await {
        Ok(integration) => integration,
        Err(code) => return code,
    };
    match first_transaction(&integration).await {
        Ok(found) => println!("answer {found}"),
        Err(error) => println!("answer {error}"),
    }
    wait().await
}

async fn first_transaction(integration: &ModuleIntegration) -> Result<String, SdkError> {
    let node = integration.node_api();
    let Some(block) = node.get_block_by_height(1).await? else { return Ok("no block".to_owned()) };
    let Ok(block) = block.decode() else { return Ok("a block that cannot be decoded".to_owned()) };
    let Some(transaction) = block.txdata.first() else { return Ok("an empty block".to_owned()) };
    let txid = transaction.compute_txid();
    let found = node.get_transaction(txid.into()).await?;
    Ok(format!("{txid} {}", if found.is_some() { "is there" } else { "does not exist" }))
}
