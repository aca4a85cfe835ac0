//! Mines on a timer. What fails then fails again at the next interval, a full disk for hours: it is logged at
//! first and now and then, and once when it is over.

use std::sync::Weak;
use std::time::Duration;

use super::{Inner, blocking};
use crate::error::NodeError;
use cofferdam_log::{Throttle, and_more};

/// Failures that are logged: the first, then one in ten seconds.
const LOGGED_FAILURES: (Duration, u32) = (Duration::from_secs(10), 1);

/// Mines a block each `interval` until the chain is dropped.
pub(super) async fn mine_forever(chain: Weak<Inner>, interval: Duration) {
    let mut journal = Journal::new();
    loop {
        tokio::time::sleep(interval).await;
        let Some(inner) = chain.upgrade() else { return };
        let mined = blocking(move || inner.mine(1)).await;
        journal.note(mined.map(|_tip| ()));
    }
}

/// Tells the operator how mining goes.
#[derive(Debug)]
struct Journal {
    failures: Throttle,
    /// Whether the last line says that it fails.
    told: bool,
}

impl Journal {
    fn new() -> Self {
        Self { failures: Throttle::new(LOGGED_FAILURES.0, LOGGED_FAILURES.1), told: false }
    }

    fn note(&mut self, outcome: Result<(), NodeError>) {
        match outcome {
            Err(error) => {
                if let Some(swallowed) = self.failures.pass() {
                    tracing::error!("no block was mined: {error}{}", and_more(swallowed));
                    self.told = true;
                }
            }
            Ok(()) if std::mem::take(&mut self.told) => tracing::info!("blocks are mined again"),
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_log::captured::Captured;

    #[tokio::test(start_paused = true)]
    async fn failure_that_lasts_is_logged_at_first_then_every_ten_seconds_and_its_end_once() {
        let (log, _guard) = Captured::start();
        let mut journal = Journal::new();
        let full = || Err(NodeError::not_ready("the disk is full"));
        // Eleven seconds of failures, one in each 5 ms.
        for _ in 0..2200 {
            journal.note(full());
            tokio::time::advance(Duration::from_millis(5)).await;
        }
        assert_eq!(log.text().matches("no block was mined").count(), 2, "{}", log.text());
        assert!(log.text().contains("1999 more"), "{}", log.text());
        for _ in 0..3 {
            journal.note(Ok(()));
        }
        assert_eq!(log.text().matches("blocks are mined again").count(), 1);
        // What fails now and then fills no log either.
        for _ in 0..100 {
            journal.note(full());
            journal.note(Ok(()));
        }
        assert_eq!(log.text().lines().count(), 3, "{}", log.text());
    }
}
