//! Who may call the node next. The node serves few calls at once, and several who know nothing of each other
//! want it: nobody's queue, and no slow block, may keep the others from it.
//!
//! A call passes its caller's own limits first and the common ones last, always in the same order, so that
//! nobody who has a place waits for somebody who is still outside.

use std::sync::Arc;

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use super::http::Limit;

/// Calls in flight at once, the follower's aside: together the four a node serves by default.
const MAX_CALLS: usize = 3;
/// Of those, calls for what may be as large as a block: one place always remains for small calls.
const MAX_LARGE: usize = 2;
/// Calls of one caller in flight or next in line.
const MAX_CALLS_OF_ONE: usize = 2;
/// Of those, large ones: a block that does not come holds up its caller's next block, and no small call.
const MAX_LARGE_OF_ONE: usize = 1;

/// Places for calls of two sizes.
#[derive(Debug)]
struct Places {
    calls: Semaphore,
    large: Semaphore,
}

/// The places there are at the node.
#[derive(Debug)]
pub(super) struct Queue {
    common: Places,
    follower: Semaphore,
}

/// Where in the queue somebody stands. Clones stand in the same place.
#[derive(Debug, Clone)]
pub(super) enum Lane {
    /// The one that follows the chain, whom calls never hold up.
    Follower,
    Caller(Arc<CallerPlaces>),
}

/// The places of one caller.
#[derive(Debug)]
pub(super) struct CallerPlaces(Places);

/// The right to one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _places: [Option<SemaphorePermit<'a>>; 4],
}

impl Places {
    fn new(calls: usize, large: usize) -> Self {
        Self { calls: Semaphore::new(calls), large: Semaphore::new(large) }
    }

    async fn large(&self, limit: Limit) -> Result<Option<SemaphorePermit<'_>>, AcquireError> {
        match limit {
            Limit::Block | Limit::Template | Limit::Mempool => self.large.acquire().await.map(Some),
            Limit::Small | Limit::List | Limit::Identity => Ok(None),
        }
    }
}

impl Lane {
    /// A caller that shares its places with nobody.
    pub(super) fn caller() -> Self {
        Self::Caller(Arc::new(CallerPlaces(Places::new(MAX_CALLS_OF_ONE, MAX_LARGE_OF_ONE))))
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { common: Places::new(MAX_CALLS, MAX_LARGE), follower: Semaphore::new(1) }
    }

    /// Waits until a call with an answer of this size may be made.
    pub(super) async fn turn<'a>(&'a self, lane: &'a Lane, limit: Limit) -> Result<Turn<'a>, AcquireError> {
        let places = match lane {
            Lane::Follower => [None, None, None, Some(self.follower.acquire().await?)],
            Lane::Caller(own) => [
                own.0.large(limit).await?,
                self.common.large(limit).await?,
                Some(own.0.calls.acquire().await?),
                Some(self.common.calls.acquire().await?),
            ],
        };
        Ok(Turn { _places: places })
    }
}
