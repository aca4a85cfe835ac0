//! Watches the chain: fetches every new block, writes a summary of it to the data directory, and marks the
//! summaries of blocks that were disconnected.
//!
//! It never stops because of one block or one file: what goes wrong is logged and the next block is taken. It
//! ends when the node shuts down or the connection to the host is gone.

mod config;
mod store;
mod summary;

use std::process::ExitCode;

use cofferdam_sdk::{
    Args, BlockHash, EventPayload, EventType, LogLevel, ModuleIntegration, ModuleMessage, NodeApi, SdkError,
};

use store::SummaryStore;
use summary::Summary;

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
    let mut watch = Watch { node, store };
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

/// The node on one side, the files on the other.
struct Watch {
    node: NodeApi,
    store: SummaryStore,
}

impl Watch {
    /// Handles one event.
    ///
    /// # Errors
    /// Only what ends the module: that the connection is gone.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other event was asked for")]
    async fn handle(&mut self, event: EventPayload) -> Result<(), SdkError> {
        let (level, line) = match event {
            EventPayload::NewBlock { hash, height, .. } => self.connected(hash, height).await,
            EventPayload::BlockDisconnected { hash, height } => self.disconnected(hash, height),
            EventPayload::ChainReorg { old_tip, new_tip, fork_height, depth } => (
                LogLevel::Warn,
                format!("reorganised: {depth} blocks above {fork_height} left, {old_tip} to {new_tip}"),
            ),
            EventPayload::EventsDropped { from, to, count } => (
                LogLevel::Warn,
                format!("{count} events ({from} to {to}) were lost; blocks among them have no summary"),
            ),
            _ => return Ok(()),
        };
        log(&self.node, level, line).await
    }

    /// Fetches and summarises a block that was connected; gives the line for the log.
    async fn connected(&mut self, hash: BlockHash, height: u32) -> (LogLevel, String) {
        let failed = |problem: String| (LogLevel::Error, format!("block {height} {hash}: {problem}"));
        let raw = match self.node.get_block(hash).await {
            Ok(Some(raw)) => raw,
            Ok(None) => return failed("the node does not have it any more; no summary".to_owned()),
            Err(error) => return failed(error.to_string()),
        };
        let summary = match raw.decode() {
            Ok(block) => Summary::of(&block, height),
            Err(error) => return failed(error.to_string()),
        };
        if summary.hash != hash {
            return failed(format!("the node sent block {} instead", summary.hash));
        }
        match self.store.write(&summary) {
            Ok(()) => (LogLevel::Info, summary.to_line()),
            Err(error) => failed(error.to_string()),
        }
    }

    fn disconnected(&mut self, hash: BlockHash, height: u32) -> (LogLevel, String) {
        match self.store.mark_disconnected(hash, height) {
            Ok(marked) => {
                let what = if marked { "its summary is marked" } else { "it had no summary" };
                (LogLevel::Warn, format!("block {height} {hash}: disconnected, {what}"))
            }
            Err(error) => (LogLevel::Error, format!("block {height} {hash}: disconnected, but {error}")),
        }
    }
}
