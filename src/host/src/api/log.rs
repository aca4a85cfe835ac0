//! The log of a module, which is the operator's: whatever the module says appears under its name, marked as
//! its own words, and cannot be mistaken for what the host says about it.
//!
//! A line is written to a pipe, and all sessions wait while that is full. So modules never log more, together, than the
//! launcher reads, and each has a little that no other can take from it.

use std::sync::PoisonError;
use std::time::Duration;

use cofferdam_log::{RetryAfter, TokenBucket, escaped};
use cofferdam_protocol::ApiError;
use cofferdam_protocol::calls::Log;

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle};

/// The longest message. Escaped and with its name it fits a log line unless it is mostly escapes.
const MAX_MESSAGE_BYTES: usize = 2048;

/// Lines a module may log: twenty per second in the long run, two hundred at once.
const LINES: (Duration, u32) = (Duration::from_millis(50), 200);

/// What all modules share, in units of `cofferdam_control::CORE_LOG_BURST`: less than a half of what the launcher reads.
const SHARED: (Duration, u32) = (Duration::from_micros(2500), 2000);

/// Lines that each module may log whatever the others do: with 127 modules and the longest lines, another two fifths.
const OWN: (Duration, u32) = (Duration::from_secs(2), 3);

/// What is around a message in its line: the longest name, the level, a few words.
const AROUND_BYTES: usize = 128;

/// What the modules have together.
#[derive(Debug)]
pub(crate) struct LogRoom(TokenBucket);

impl Default for LogRoom {
    fn default() -> Self {
        Self(TokenBucket::new(SHARED.0, SHARED.1))
    }
}

/// What one session may log.
#[derive(Debug)]
pub(crate) struct LogLines {
    all: TokenBucket,
    own: TokenBucket,
}

impl Default for LogLines {
    fn default() -> Self {
        let bucket = |(period, burst)| TokenBucket::new(period, burst);
        Self { all: bucket(LINES), own: bucket(OWN) }
    }
}

impl LogLines {
    /// Takes a line that costs so many units.
    ///
    /// # Errors
    /// It is too early for one, by what the module may log or by what all may.
    fn take(&mut self, units: u32, shared: &mut LogRoom) -> Result<(), RetryAfter> {
        self.all.take()?;
        shared.0.take_many(units).or_else(|_full| self.own.take())
    }
}

/// What the launcher pays for the line: itself, a read, and its length.
fn units(message: &str) -> u32 {
    let bytes = escaped(message).len().saturating_add(AROUND_BYTES);
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX).saturating_add(2)
}

impl Handle<Log> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<Log>) -> Result<(), ApiError> {
        let Log { level, message } = call.into_call();
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(ApiError::InvalidArgument {
                argument: "message".to_owned(),
                problem: format!("{} bytes, at most {MAX_MESSAGE_BYTES} are logged", message.len()),
            });
        }
        let units = units(&message);
        let room = {
            let mut lines = caller.log_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let mut shared = self.shared.log_room.lock().unwrap_or_else(PoisonError::into_inner);
            lines.take(units, &mut shared)
        };
        room.map_err(|retry| ApiError::RateLimited { retry_after_ms: retry.as_millis_ceil() })?;
        tracing::info!(subject = %caller.module.name, "says ({level}): {message}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_control::{CORE_LOG_BURST, CORE_LOG_PER_SECOND};

    /// What hostile modules log in so many seconds, in units, and how many lines one that logs a line every two seconds
    /// has refused.
    async fn logged(modules: usize, seconds: u32) -> (u32, u32) {
        let worst = units(&"\u{1}".repeat(MAX_MESSAGE_BYTES));
        assert_eq!(worst, 6, "a whole line of 4 KiB");
        let (mut shared, mut quiet) = (LogRoom::default(), LogLines::default());
        let mut hostile: Vec<LogLines> = (0..modules).map(|_| LogLines::default()).collect();
        let (mut sum, mut refused) = (0, 0);
        for tenth in 0..seconds * 10 {
            for lines in &mut hostile {
                while lines.take(worst, &mut shared).is_ok() {
                    sum += worst;
                }
            }
            refused += u32::from(tenth % 20 == 0 && quiet.take(worst, &mut shared).is_err());
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        (sum, refused)
    }

    #[tokio::test(start_paused = true)]
    async fn modules_that_log_all_they_may_together_log_no_more_than_the_launcher_reads_and_silence_nobody() {
        for (modules, seconds) in [(127, 1), (127, 60), (12, 60)] {
            let (sum, refused) = logged(modules, seconds).await;
            let read = CORE_LOG_BURST + CORE_LOG_PER_SECOND * seconds;
            // A tenth and more is left for what the host itself says.
            assert!(sum < read / 10 * 9, "{modules} modules: {sum} of {read} in {seconds} s");
            assert_eq!(refused, 0);
        }
        let alone = logged(1, 60).await.0;
        assert!(alone > 60 * 20 * 6, "the control: one has all its lines: {alone}");
    }
}
