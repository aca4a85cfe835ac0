//! How often a module may be started: the core asks, and each start is two lines of the audit log at least. A core that
//! has fallen must not push what it did before out of the log by starting and stopping modules. Pure.

use std::time::{Duration, Instant};

/// Starts at once: a core that is itself started again and again, and modules that fail after each.
const AT_ONCE: u32 = 60;

/// And then one in this time. The core's own pause between two starts of a module that keeps failing grows as long. With
/// 1.5 KB a start that is 2 MB a day and module.
const PAUSE: Duration = Duration::from_secs(60);

/// What is left for one module.
#[derive(Debug, Default)]
pub(super) struct Starts {
    used: u32,
    /// Since when the next one comes back.
    since: Option<Instant>,
}

impl Starts {
    /// Takes one; whether there was one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        let back = u32::try_from(elapsed.as_secs() / PAUSE.as_secs()).unwrap_or(u32::MAX);
        if back > 0 {
            self.used = self.used.saturating_sub(back);
            self.since = since.checked_add(PAUSE.saturating_mul(back)).or(Some(now));
        }
        if self.used >= AT_ONCE {
            return false;
        }
        self.used = self.used.saturating_add(1);
        true
    }

    /// Why there is none.
    pub(super) fn refusal() -> String {
        format!(
            "it was started too often: {AT_ONCE} times at once and then one in {} s is what the audit log is kept for",
            PAUSE.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_starts_at_once_are_had_and_then_one_a_minute() {
        let (mut starts, begin) = (Starts::default(), Instant::now());
        let taken = |starts: &mut Starts, at: Duration| (0..1000).filter(|_| starts.take(begin + at)).count();
        assert_eq!(taken(&mut starts, Duration::ZERO), 60);
        assert_eq!(taken(&mut starts, Duration::from_secs(59)), 0);
        assert_eq!(taken(&mut starts, Duration::from_secs(61)), 1);
        assert_eq!(taken(&mut starts, Duration::from_secs(119)), 0, "a minute after the last came back");
        assert_eq!(taken(&mut starts, Duration::from_secs(240)), 3);
        assert_eq!(taken(&mut starts, Duration::from_secs(1_000_000)), 60, "no more than at first");
    }

    #[test]
    fn a_day_of_asking_has_no_more_than_a_log_is_kept_for() {
        let (mut starts, begin) = (Starts::default(), Instant::now());
        let asked = (0..86_400).map(|second| begin + Duration::from_secs(second));
        assert!(asked.filter(|now| starts.take(*now)).count() <= 60 + 24 * 60);
    }
}
