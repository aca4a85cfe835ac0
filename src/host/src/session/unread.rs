//! The large replies of one session that wait for being read, and how long that may take.
//!
//! They hold places that all modules share. Whoever does not take one in time loses the session, and the places
//! come back. Nothing else a session holds is anybody else's, so nothing else has a deadline.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::dispatch::LargePlace;

/// How long a module may take for each large reply: four megabytes in half a minute is slower than any disk.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(30);

/// What was made and not yet written.
#[derive(Debug, Default)]
pub(super) struct Unread {
    state: Mutex<State>,
    made: Notify,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    /// Since when there is one, or when the last one was written if there are more.
    since: Option<Instant>,
}

/// One large reply; dropped when it is written, or will never be.
#[derive(Debug)]
pub(super) struct Waiting {
    unread: Arc<Unread>,
    _place: LargePlace,
}

impl Unread {
    /// A reply is made, and keeps `place` until it is written.
    pub(super) fn wait(self: &Arc<Self>, place: LargePlace) -> Waiting {
        let mut state = self.lock();
        state.count = state.count.saturating_add(1);
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        self.made.notify_one();
        Waiting { unread: Arc::clone(self), _place: place }
    }

    /// Returns when a reply has waited for too long.
    pub(super) async fn overdue(&self) {
        loop {
            let deadline = self.lock().since.and_then(|since| since.checked_add(READ_DEADLINE));
            match deadline {
                None => self.made.notified().await,
                Some(deadline) if deadline <= Instant::now() => return,
                // Reading moves the deadline further away, never closer.
                Some(deadline) => sleep_until(deadline).await,
            }
        }
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.unread.lock();
        state.count = state.count.saturating_sub(1);
        state.since = (state.count > 0).then(Instant::now);
    }
}
