//! Wrong credentials: the wait before their answer. And a log that nobody can fill.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_log::Throttle;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// How many wait at a time. The wait deters guessing; one more is answered at once, for a secret of 128 bits is not
/// guessed at that pace either.
const WAITING: usize = 16;
/// One line per this time, however many there are.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// Shared by all connections.
pub(crate) struct Failures {
    delay: Duration,
    waiting: Semaphore,
    log: Mutex<Throttle>,
}

/// Log lines that somebody else can cause: one per [`LOG_PERIOD`], and the others are counted.
pub(crate) fn sparse_log() -> Throttle {
    Throttle::new(LOG_PERIOD, 1)
}

impl Failures {
    pub(crate) fn new(delay: Duration) -> Self {
        Self { delay, waiting: Semaphore::new(WAITING), log: Mutex::new(sparse_log()) }
    }

    /// Logs that `peer` sent wrong credentials, and waits.
    pub(crate) async fn one(&self, peer: SocketAddr) {
        let pass = self.log.lock().unwrap_or_else(PoisonError::into_inner).pass();
        if let Some(swallowed) = pass {
            tracing::warn!(%peer, others_not_logged = swallowed, "JSON-RPC: wrong credentials");
        }
        if let Ok(_permit) = self.waiting.try_acquire() {
            sleep(self.delay).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    #[tokio::test(start_paused = true)]
    async fn one_line_stands_for_all_of_ten_seconds() {
        let mut log = sparse_log();
        assert_eq!([log.pass(), log.pass(), log.pass()], [Some(0), None, None]);
        tokio::time::advance(LOG_PERIOD).await;
        assert_eq!([log.pass(), log.pass()], [Some(2), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_credential_waits_unless_too_many_do() {
        let failures = Failures::new(Duration::from_secs(1));
        let started = Instant::now();
        failures.one(PEER).await;
        assert_eq!(started.elapsed(), Duration::from_secs(1));
        let _others = failures.waiting.acquire_many(16).await.unwrap();
        failures.one(PEER).await;
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
