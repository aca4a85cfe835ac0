//! Watches the chain: fetches every new block, writes a summary of it to the data directory, and marks the
//! summaries of blocks that were disconnected. Where it missed events it asks the node for what they told.
//!
//! It never stops because of one block or one file: what goes wrong is logged and the next block is taken. It
//! ends when the node shuts down or the connection to the host is gone.

mod config;
mod store;
mod summary;
mod watch;

use std::process::ExitCode;

use cofferdam_sdk::{
    Args, EventPayload, EventType, LogLevel, ModuleIntegration, ModuleMessage, NodeApi, SdkError,
};

use store::SummaryStore;
use watch::Watch;

const NAME: &str = "block-watch";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), SdkError> {
    let module_id = args.module_id.unwrap_or_else(|| NAME.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut integration =
        ModuleIntegration::connect(args.socket_path, module_id, NAME.to_owned(), version).await?;
    let node = integration.node_api();
    let (keep, complaint) = config::keep(&cofferdam_sdk::module_config());
    if let Some(complaint) = complaint {
        log(&node, LogLevel::Error, complaint).await?;
    }
    let (store, complaint) = SummaryStore::open(&args.data_dir, keep);
    if let Some(complaint) = complaint {
        log(&node, LogLevel::Error, complaint.to_string()).await?;
    }

    let wanted = vec![EventType::NewBlock, EventType::BlockDisconnected, EventType::ChainReorg];
    integration.subscribe_events(wanted).await?;
    let mut events = integration.event_receiver();
    let mut watch = Watch::new(node, store);
    while let Some(ModuleMessage::Event(event)) = events.recv().await {
        if let EventPayload::NodeShutdown { .. } = event.payload {
            break;
        }
        watch.handle(event.payload).await?;
    }
    Ok(())
}

/// Logs a line. If the host does not take it, it goes to standard error, which the host logs too.
///
/// # Errors
/// Only that the connection is gone.
async fn log(node: &NodeApi, level: LogLevel, line: String) -> Result<(), SdkError> {
    match node.log(level, line.clone()).await {
        Err(error @ SdkError::Closed { .. }) => Err(error),
        Err(error) => {
            eprintln!("{line} ({error})");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
