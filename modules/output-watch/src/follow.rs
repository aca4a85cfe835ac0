//! Keeps the index at the node's best block: connects what is new, undoes what left the chain.
//!
//! It asks the node what its chain is and believes no event. A block is published before it is written down, so that
//! a payment is told at least once, whenever the process dies; it may be told twice.

use cofferdam_sdk::bitcoin::{Block, ScriptBuf};
use cofferdam_sdk::{ApiError, EventType, LogLevel, NodeApi, SdkError};
use serde_json::json;

use crate::book::{Book, Move};
use crate::error::WatchError;
use crate::index::{Changes, Index, Tip};
use crate::settings::Settings;

/// After how many scanned blocks a line in the log says how far it is.
const PROGRESS: u32 = 1000;

/// The index, its book and the node.
#[derive(Debug)]
pub(crate) struct Follower {
    node: NodeApi,
    book: Book,
    index: Index,
    tip: Tip,
    settings: Settings,
}

impl Follower {
    /// Takes the index over from an earlier run, or begins one.
    pub(crate) async fn open(node: NodeApi, settings: Settings) -> Result<Self, WatchError> {
        let book = Book::open(node.clone()).await?;
        let tip = match book.tip().await? {
            Some(tip) => tip,
            None => first_tip(&node, settings.start_height).await?,
        };
        let mut index = Index::default();
        for script in book.scripts().await? {
            index.watch(script).map_err(too_many)?;
        }
        for (outpoint, output) in book.outputs().await? {
            index.restore(outpoint, output)?;
        }
        let mut follower = Self { node, book, index, tip, settings };
        follower.move_down_to(tip).await?;
        for script in std::mem::take(&mut follower.settings.scripts) {
            follower.watch(script).await?.map_err(too_many)?;
        }
        Ok(follower)
    }

    pub(crate) fn height(&self) -> u32 {
        self.tip.height
    }

    /// The height up to which payments have enough confirmations, if any has.
    pub(crate) fn verified_to(&self) -> Option<u32> {
        verified_to(self.tip.height, self.settings.confirmations)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Watches a script from the next block on, and says whether that is new; or why it is not watched.
    pub(crate) async fn watch(&mut self, script: ScriptBuf) -> Result<Result<bool, String>, WatchError> {
        let watched = self.index.watch(script.clone());
        if watched == Ok(true) {
            self.book.watch(&script).await?;
        }
        Ok(watched)
    }

    /// Brings the index to the node's best block. A node that is not ready is left for the next event.
    pub(crate) async fn catch_up(&mut self) -> Result<(), WatchError> {
        loop {
            match self.step().await {
                Ok(Step::Moved) => {}
                Ok(Step::AtTip) => return Ok(()),
                Err(WatchError::Host(error)) if is_passing(&error) => {
                    let line =
                        format!("stopped at block {}, to go on with the next: {error}", self.tip.height);
                    return Ok(self.node.log(LogLevel::Warn, line).await?);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn step(&mut self) -> Result<Step, WatchError> {
        let height = self.tip.height.saturating_add(1);
        if let Some(raw) = self.node.get_block_by_height(height).await? {
            let block = raw.decode()?;
            return if self.tip.hash == block.header.prev_blockhash.into() {
                self.connect(&block, height).await
            } else {
                self.disconnect().await
            };
        }
        if self.node.get_chain_tip().await? == self.tip.hash {
            return Ok(Step::AtTip);
        }
        // Either the node has just moved on, or its best chain is another one and no longer.
        if self.node.get_block_height().await? > self.tip.height {
            Ok(Step::Moved)
        } else {
            self.disconnect().await
        }
    }

    async fn connect(&mut self, block: &Block, height: u32) -> Result<Step, WatchError> {
        let changes = self.index.connecting(block, height);
        let tip = Tip { height, hash: block.block_hash().into() };
        self.index.apply(changes.clone())?;
        self.tell_verified(height).await?;
        self.book.write(&changes, tip, Move::Up).await?;
        self.tip = tip;
        if height.is_multiple_of(PROGRESS) {
            self.node.log(LogLevel::Info, format!("scanned up to block {height}")).await?;
        }
        Ok(Step::Moved)
    }

    /// Undoes the last block.
    async fn disconnect(&mut self) -> Result<Step, WatchError> {
        let Tip { height, hash } = self.tip;
        let Some(header) = self.node.get_block_header(hash).await? else {
            let problem = format!("the node has never seen block {height} {hash}: it follows another chain");
            return Err(WatchError::Index { key: "t".to_owned(), problem });
        };
        let hash = header.decode()?.prev_blockhash.into();
        self.move_down_to(Tip { height: height.saturating_sub(1), hash }).await?;
        let line = format!("block {height} left the best chain and was undone");
        self.node.log(LogLevel::Warn, line).await?;
        Ok(Step::Moved)
    }

    async fn move_down_to(&mut self, tip: Tip) -> Result<(), WatchError> {
        let changes: Changes = self.index.undoing_above(tip.height);
        self.book.write(&changes, tip, Move::Down).await?;
        self.index.apply(changes)?;
        self.tip = tip;
        Ok(())
    }

    /// Publishes the payments that have just enough confirmations with the block at this height.
    async fn tell_verified(&self, height: u32) -> Result<(), WatchError> {
        let confirmations = self.settings.confirmations;
        let Some(made_at) = verified_to(height, confirmations) else { return Ok(()) };
        for (outpoint, output) in self.index.made_at(made_at) {
            let payload = json!({
                "script": output.script,
                "txid": outpoint.txid.to_string(),
                "vout": outpoint.vout,
                "sats": output.sats,
                "height": output.height,
                "confirmations": confirmations,
            });
            let told = self.node.publish_event(EventType::PaymentVerified, payload.to_string().into()).await;
            match told {
                Ok(_) => {}
                Err(error @ SdkError::Closed { .. }) => return Err(error.into()),
                Err(error) => {
                    let line = format!("payment {outpoint} is in the index, but nobody was told: {error}");
                    self.node.log(LogLevel::Warn, line).await?;
                }
            }
        }
        Ok(())
    }
}

enum Step {
    Moved,
    AtTip,
}

/// The block before the first that is scanned.
async fn first_tip(node: &NodeApi, start_height: Option<u32>) -> Result<Tip, WatchError> {
    let height = match start_height {
        Some(start) => start.saturating_sub(1),
        None => node.get_block_height().await?,
    };
    let Some(raw) = node.get_block_by_height(height).await? else {
        let problem = format!("the chain has no block {height} yet, after which to begin");
        return Err(WatchError::Setting { key: "start_height", problem });
    };
    Ok(Tip { height, hash: raw.decode()?.block_hash().into() })
}

/// The height of the block that has so many confirmations when the best one has this height.
fn verified_to(height: u32, confirmations: u32) -> Option<u32> {
    height.checked_sub(confirmations.saturating_sub(1))
}

fn too_many(problem: String) -> WatchError {
    WatchError::Setting { key: "addresses", problem }
}

/// Whether the next event is a good time to try again.
fn is_passing(error: &SdkError) -> bool {
    matches!(
        error.api(),
        Some(ApiError::NotReady { .. } | ApiError::RateLimited { .. } | ApiError::Timeout { .. })
    )
}
