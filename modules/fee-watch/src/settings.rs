//! The settings. A value that cannot be right is told and the default taken: a watcher with another window is better
//! than none.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const WINDOW: RangeInclusive<u64> = 10..=100_000;
const REFRESH_SECONDS: RangeInclusive<u64> = 1..=3600;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many fee rates are kept.
    pub(crate) window: usize,
    refresh_seconds: u64,
}

impl Settings {
    /// The settings, and what to complain about.
    pub(crate) fn from(config: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let mut number = |key: &str, allowed: RangeInclusive<u64>, default: u64| {
            let Some(text) = config.get(key) else { return default };
            text.parse().ok().filter(|number| allowed.contains(number)).unwrap_or_else(|| {
                let (from, to) = (allowed.start(), allowed.end());
                complaints.push(format!(
                    "configuration key {key}: {text:?} is not a number from {from} to {to}; using {default}"
                ));
                default
            })
        };
        let window = usize::try_from(number("window", WINDOW, 2000)).unwrap_or(usize::MAX);
        let refresh_seconds = number("refresh_seconds", REFRESH_SECONDS, 30);
        (Self { window, refresh_seconds }, complaints)
    }

    /// The interval of the timer, in milliseconds.
    pub(crate) fn refresh_ms(&self) -> u64 {
        self.refresh_seconds.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        Settings::from(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn numbers_in_their_range_are_taken() {
        let (settings, complaints) = from(&[("window", "10"), ("refresh_seconds", "3600")]);
        assert_eq!((settings.window, settings.refresh_ms(), complaints.len()), (10, 3_600_000, 0));
    }

    #[test]
    fn others_are_told_with_their_key_and_the_defaults_are_taken() {
        for wrong in ["9", "100001", "-1", "many", ""] {
            let (settings, complaints) = from(&[("window", wrong)]);
            assert_eq!(settings.window, 2000);
            assert!(complaints.concat().contains("configuration key window"), "{complaints:?}");
        }
    }
}
