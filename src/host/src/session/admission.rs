//! Who may send a large message, and how much of what modules send the core holds at once.
//!
//! Messages up to [`FREE_BYTES`] are bounded by their number. Those up to [`MAX_ORDINARY_BYTES`] draw on a budget of
//! their own module, which nobody shares. Larger ones (a block, a batch for the database, a file) are read further
//! only with one of a few places that all modules share. An answer to an invocation is never as large as that, so
//! that modules that wait for each other never wait for these places.

use std::sync::Arc;

use cofferdam_protocol::modules::MAX_CALL_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::SessionEnd;

/// Messages that cost nothing: 64 of them are 256 KiB.
pub(super) const FREE_BYTES: usize = 4096;

/// The largest message that is read without a place: parameters or an answer of a call between modules, and what is
/// around them.
pub(super) const MAX_ORDINARY_BYTES: usize = MAX_CALL_BYTES + 8 * 1024;

/// Large messages of all modules together that are read or handled at once. One is at most 4.25 MiB and is copied
/// once when it is decoded, so that all of them are 136 MiB at worst.
pub(crate) const MAX_LARGE_REQUESTS: usize = 16;

/// The same for one module: the next is read while one is handled, as long as there is room to spare.
const MAX_LARGE_REQUESTS_EACH: u32 = 2;

/// Places that no module takes a second of: where few are left each has one, and waits its turn for it.
const NO_SECOND_BELOW: usize = MAX_LARGE_REQUESTS / 2;

/// Bytes of a module's ordinary requests that are handled at once; more of them wait to be read.
pub(super) const BUDGET_KIB: u32 = 512;

/// Bytes of parameters in a module's calls of other modules: four of the largest. Beyond it they are refused and do
/// not wait, because what they wait for may be answers of this module.
const CALL_BUDGET_KIB: u32 = 4 * 264;

/// What one session may send.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_in_all: Arc<Semaphore>,
    budget: Arc<Semaphore>,
    call_budget: Arc<Semaphore>,
}

/// The right to send one large message; its call has a place in flight.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) place: OwnedSemaphorePermit,
    pub(super) held: Held,
}

/// What a request occupies until it has been handled.
#[derive(Debug)]
pub(super) struct Held {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Admission {
    /// A session with so many places for calls in flight. `large_in_all` is shared by all.
    pub(super) fn new(max_in_flight: usize, large_in_all: Arc<Semaphore>) -> Self {
        let permits = |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX)));
        Self {
            places: Arc::new(Semaphore::new(max_in_flight)),
            large: permits(MAX_LARGE_REQUESTS_EACH),
            large_in_all,
            budget: permits(BUDGET_KIB),
            call_budget: permits(CALL_BUDGET_KIB),
        }
    }

    /// Waits for a place in flight.
    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit, SessionEnd> {
        acquire(&self.places, 1).await
    }

    /// Waits until a large message may be read. What is shared comes last, so that nobody holds it and waits.
    pub(super) async fn admit(&self) -> Result<Admitted, SessionEnd> {
        let place = self.place().await?;
        let of_module = acquire(&self.large, 1).await?;
        let of_all = match self.spare() {
            Some(of_all) => of_all,
            None => {
                // One that it has must end first, which it does by itself.
                let alone = acquire(&self.large, MAX_LARGE_REQUESTS_EACH.saturating_sub(1)).await?;
                let of_all = acquire(&self.large_in_all, 1).await?;
                drop(alone);
                of_all
            }
        };
        Ok(Admitted { place, held: Held { _permits: vec![of_all, of_module] } })
    }

    /// A place of those that everybody may take more than one of.
    fn spare(&self) -> Option<OwnedSemaphorePermit> {
        if self.large_in_all.available_permits() <= NO_SECOND_BELOW {
            return None;
        }
        Arc::clone(&self.large_in_all).try_acquire_owned().ok()
    }

    /// Waits until so many bytes may be handled.
    pub(super) async fn hold(&self, bytes: usize) -> Result<Held, SessionEnd> {
        match kib(bytes) {
            None => Ok(Held::NOTHING),
            Some(kib) => Ok(Held { _permits: vec![acquire(&self.budget, kib.min(BUDGET_KIB)).await?] }),
        }
    }

    /// The same for a call of another module, now or not at all.
    pub(super) fn hold_call(&self, bytes: usize) -> Option<Held> {
        let Some(kib) = kib(bytes) else { return Some(Held::NOTHING) };
        let permit = Arc::clone(&self.call_budget).try_acquire_many_owned(kib.min(CALL_BUDGET_KIB)).ok()?;
        Some(Held { _permits: vec![permit] })
    }
}

impl Held {
    const NOTHING: Self = Self { _permits: Vec::new() };
}

/// What a message draws on a budget; nothing if it is free.
fn kib(bytes: usize) -> Option<u32> {
    (bytes > FREE_BYTES).then(|| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX))
}

async fn acquire(semaphore: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, SessionEnd> {
    let permit = Arc::clone(semaphore).acquire_many_owned(permits).await;
    permit.map_err(|error| SessionEnd::HostFault(error.to_string()))
}
