//! What is done about each event: a block that was connected is fetched and summed up, one that was disconnected is
//! marked. Where events were lost the node is asked what the chain is now; what it was meanwhile is not made up.

use std::fmt::Display;

use cofferdam_sdk::{BlockHash, EventPayload, LogLevel, NodeApi, RawBlock, SdkError};

use crate::log;
use crate::store::SummaryStore;
use crate::summary::Summary;

/// The node on one side, the files on the other.
pub(crate) struct Watch {
    node: NodeApi,
    store: SummaryStore,
}

/// A line for the log.
type Line = (LogLevel, String);

/// The highest block with a summary that is in the chain.
enum Common {
    At(u32),
    Nowhere,
    /// What keeps it from being known.
    Unknown(Line),
}

impl Watch {
    pub(crate) fn new(node: NodeApi, store: SummaryStore) -> Self {
        Self { node, store }
    }

    /// Handles one event.
    ///
    /// # Errors
    /// Only what ends the module: that the connection is gone.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other event was asked for")]
    pub(crate) async fn handle(&mut self, event: EventPayload) -> Result<(), SdkError> {
        let (level, line) = match event {
            EventPayload::NewBlock { hash, height, .. } => self.connected(hash, height).await,
            EventPayload::BlockDisconnected { hash, height } => self.disconnected(hash, height),
            EventPayload::ChainReorg { old_tip, new_tip, fork_height, depth } => (
                LogLevel::Warn,
                format!("reorganised: {depth} blocks above {fork_height} left, {old_tip} to {new_tip}"),
            ),
            EventPayload::EventsDropped { from, to, count } => {
                let lost =
                    format!("{count} events ({from} to {to}) were lost; asking the node for the blocks");
                log(&self.node, LogLevel::Warn, lost).await?;
                self.catch_up().await?
            }
            _ => return Ok(()),
        };
        log(&self.node, level, line).await
    }

    /// Fetches and summarises a block that was connected; gives the line for the log.
    async fn connected(&mut self, hash: BlockHash, height: u32) -> Line {
        if self.store.has_connected(hash, height) {
            // It was fetched after events had been lost, and its own was not among them.
            return (LogLevel::Debug, format!("block {height} {hash}: its summary is there"));
        }
        match self.node.get_block(hash).await {
            Ok(Some(raw)) => self.write(&raw, height, Some(hash)),
            Ok(None) => failed(height, &hash, "the node does not have it any more; no summary"),
            Err(error) => failed(height, &hash, error),
        }
    }

    /// Writes the summary of a block, which must be the `expected` one.
    fn write(&mut self, raw: &RawBlock, height: u32, expected: Option<BlockHash>) -> Line {
        let name: &dyn Display = match &expected {
            Some(hash) => hash,
            None => &"of the best chain",
        };
        let summary = match raw.decode() {
            Ok(block) => Summary::of(&block, height),
            Err(error) => return failed(height, name, error),
        };
        if expected.is_some_and(|expected| expected != summary.hash) {
            return failed(height, name, format_args!("the node sent block {} instead", summary.hash));
        }
        match self.store.write(&summary) {
            Ok(()) => (LogLevel::Info, summary.to_line()),
            Err(error) => failed(height, name, error),
        }
    }

    fn disconnected(&mut self, hash: BlockHash, height: u32) -> Line {
        match self.store.mark_disconnected(hash, height) {
            Ok(marked) => {
                let what = if marked { "its summary is marked" } else { "it had no summary" };
                (LogLevel::Warn, format!("block {height} {hash}: disconnected, {what}"))
            }
            Err(error) => (LogLevel::Error, format!("block {height} {hash}: disconnected, but {error}")),
        }
    }

    /// Makes the summaries fit the chain as it is now: marks those that left it, and fetches what follows the highest
    /// that is still in it. Gives the last line for the log.
    ///
    /// # Errors
    /// Only that the connection is gone.
    async fn catch_up(&mut self) -> Result<Line, SdkError> {
        let common = match self.leave_what_left().await? {
            Common::At(height) => height,
            Common::Nowhere => {
                let line = "no summary is of a block in the chain: which blocks were missed is not known";
                return Ok((LogLevel::Warn, line.to_owned()));
            }
            Common::Unknown(line) => return Ok(line),
        };
        let mut height = common;
        // More than are kept would be deleted again.
        for _ in 0..self.store.keep() {
            let next = height.saturating_add(1);
            match self.node.get_block_by_height(next).await {
                Ok(Some(raw)) => {
                    let (level, line) = self.write(&raw, next, None);
                    log(&self.node, level, line).await?;
                }
                Ok(None) => {
                    let fetched = height.saturating_sub(common);
                    return Ok((LogLevel::Info, format!("{fetched} blocks above {common} were fetched")));
                }
                Err(error @ SdkError::Closed { .. }) => return Err(error),
                Err(error) => return Ok(failed(next, &"of the best chain", error)),
            }
            height = next;
        }
        let line = format!("blocks above {height} may be missing: no more are fetched at once than are kept");
        Ok((LogLevel::Warn, line))
    }

    /// Marks the summaries of blocks that are not in the chain, from the highest down to one that is.
    ///
    /// # Errors
    /// Only that the connection is gone.
    async fn leave_what_left(&mut self) -> Result<Common, SdkError> {
        for (height, hash) in self.store.connected_from_the_top() {
            let unknown = |problem: &dyn Display| Common::Unknown(failed(height, &hash, problem));
            let in_chain = match self.node.get_block_by_height(height).await {
                Ok(None) => None,
                Ok(Some(raw)) => match raw.decode() {
                    Ok(block) => Some(BlockHash::from(block.block_hash())),
                    Err(error) => return Ok(unknown(&error)),
                },
                Err(error @ SdkError::Closed { .. }) => return Err(error),
                Err(error) => return Ok(unknown(&error)),
            };
            if in_chain == Some(hash) {
                return Ok(Common::At(height));
            }
            let (level, line) = self.disconnected(hash, height);
            log(&self.node, level, line).await?;
        }
        Ok(Common::Nowhere)
    }
}

fn failed(height: u32, block: &dyn Display, problem: impl Display) -> Line {
    (LogLevel::Error, format!("block {height} {block}: {problem}"))
}
