//! Limits on how often something may happen, by the clock of tokio (which tests can stop).
//!
//! One instant is the whole state (the generic cell rate algorithm), so nothing has to be refilled.

use std::time::Duration;

use tokio::time::Instant;

/// Lets `burst` through at once and then one per `period`.
#[derive(Debug)]
pub struct TokenBucket {
    period: Duration,
    /// How far ahead of the clock the bucket may be drawn: the burst, less the one that is being taken.
    tolerance: Duration,
    /// When the bucket would be full again.
    full_at: Instant,
}

/// How long it takes until the next one would be let through; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl RetryAfter {
    /// Rounded up, so that a retry after this many milliseconds is not too early.
    pub fn as_millis_ceil(self) -> u64 {
        let millis = self.0.as_nanos().div_ceil(1_000_000).max(1);
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

impl TokenBucket {
    /// A full bucket. A burst of 0 counts as 1.
    pub fn new(period: Duration, burst: u32) -> Self {
        let tolerance = period.saturating_mul(burst.saturating_sub(1));
        Self { period, tolerance, full_at: Instant::now() }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`RetryAfter`] if the bucket is empty; then nothing is taken.
    pub fn take(&mut self) -> Result<(), RetryAfter> {
        self.take_many(1)
    }

    /// Takes `count` at once, as soon as there is one: the others may be drawn from what is still to come.
    ///
    /// # Errors
    /// As [`TokenBucket::take`].
    pub fn take_many(&mut self, count: u32) -> Result<(), RetryAfter> {
        let now = Instant::now();
        let full_at = self.full_at.max(now);
        let missing = full_at.duration_since(now).saturating_sub(self.tolerance);
        if !missing.is_zero() {
            return Err(RetryAfter(missing));
        }
        self.full_at = full_at.checked_add(self.period.saturating_mul(count)).unwrap_or(full_at);
        Ok(())
    }
}

/// Log lines that somebody else can cause: limited, and the swallowed ones are counted.
#[derive(Debug)]
pub struct Throttle {
    bucket: TokenBucket,
    swallowed: u64,
}

impl Throttle {
    /// As [`TokenBucket::new`].
    pub fn new(period: Duration, burst: u32) -> Self {
        Self { bucket: TokenBucket::new(period, burst), swallowed: 0 }
    }

    /// Whether to log now; if so, how many were swallowed since the last one that was logged.
    pub fn pass(&mut self) -> Option<u64> {
        match self.bucket.take() {
            Ok(()) => Some(std::mem::take(&mut self.swallowed)),
            Err(RetryAfter(_)) => {
                self.swallowed = self.swallowed.saturating_add(1);
                None
            }
        }
    }
}

/// The end of a log line that stands for `swallowed` others; empty for none.
pub fn and_more(swallowed: u64) -> String {
    match swallowed {
        0 => String::new(),
        count => format!(" (and {count} more that were not logged)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_then_one_per_period() {
        let mut bucket = TokenBucket::new(Duration::from_millis(10), 3);
        assert_eq!((0..3).map(|_| bucket.take()).collect::<Vec<_>>(), [Ok(()); 3]);
        assert_eq!(bucket.take(), Err(RetryAfter(Duration::from_millis(10))));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(bucket.take(), Ok(()));
        assert_eq!(bucket.take(), Err(RetryAfter(Duration::from_millis(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_costs_more_is_paid_for_by_whoever_comes_next() {
        let mut bucket = TokenBucket::new(Duration::from_millis(10), 2);
        assert_eq!(bucket.take_many(5), Ok(()));
        assert_eq!(bucket.take(), Err(RetryAfter(Duration::from_millis(40))));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_as_long_as_was_said_is_enough() {
        let mut bucket = TokenBucket::new(Duration::from_micros(1500), 1);
        bucket.take().unwrap();
        let RetryAfter(wait) = bucket.take().unwrap_err();
        assert_eq!(RetryAfter(wait).as_millis_ceil(), 2);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(bucket.take(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_silence_earns_no_more_than_the_burst() {
        let mut bucket = TokenBucket::new(Duration::from_millis(10), 2);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!([bucket.take(), bucket.take()], [Ok(()); 2]);
        assert!(bucket.take().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_throttle_swallows_is_counted_in_the_next_that_passes() {
        let mut throttle = Throttle::new(Duration::from_secs(1), 1);
        assert_eq!([throttle.pass(), throttle.pass(), throttle.pass()], [Some(0), None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.pass(), Some(2));
    }
}
