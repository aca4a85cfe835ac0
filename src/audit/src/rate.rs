//! How many denials of a subject are written one by one. The others are counted, and the count is written.
//!
//! Pure: the caller passes the time. A hostile module chooses how often and with what it is denied; it must neither
//! fill the disk nor push what it did before out of the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Record, Text};

/// So many of each kind are written at once: enough to see what was tried and how it changed.
const FIRST_OF_A_KIND: u32 = 20;
/// So many of all kinds: one of each system call there is costs a log of 64 MiB nothing.
const FIRST_OF_ALL: u32 = 400;
/// And then one in this time. At 500 bytes a line that is 4 MB a day: the log of a month fits into its files.
const PAUSE: Duration = Duration::from_secs(10);
/// A count is written at the latest after this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many kinds are told apart for a subject; the names of calls come from a core that may be hostile.
const MAX_KINDS: usize = 512;
/// How many kinds one line counts by name.
const MAX_COUNTED: usize = 64;
/// What the others are counted as.
const OTHERS: &str = "others";

/// What to do with a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Write it.
    Write,
    /// It was counted.
    Count,
}

/// The allowances and counts of all subjects.
#[derive(Debug, Default)]
pub struct RateLimit {
    subjects: BTreeMap<Text, Subject>,
}

#[derive(Debug, Default)]
struct Subject {
    all: Allowance,
    kinds: BTreeMap<Text, Allowance>,
    counted: BTreeMap<Text, u64>,
    since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Allowance {
    used: u32,
    last: Option<Instant>,
}

impl Allowance {
    fn take(&mut self, first: u32, now: Instant) -> Admission {
        let rested = self.last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if self.used >= first && !rested {
            return Admission::Count;
        }
        self.used = self.used.saturating_add(1);
        self.last = Some(now);
        Admission::Write
    }
}

impl RateLimit {
    /// Whether a denial of `kind` (see [`crate::Denial::key`]) is written now. If not, it is counted.
    pub fn admit(&mut self, subject: &Text, kind: &Text, now: Instant) -> Admission {
        let subject = self.subjects.entry(subject.clone()).or_default();
        let others = Text::new(OTHERS);
        let known = subject.kinds.contains_key(kind) || subject.kinds.len() < MAX_KINDS;
        let kind = if known { kind } else { &others };
        let of_kind = subject.kinds.entry(kind.clone()).or_default().take(FIRST_OF_A_KIND, now);
        if of_kind == Admission::Write && subject.all.take(FIRST_OF_ALL, now) == Admission::Write {
            return Admission::Write;
        }
        subject.count(kind, 1, now);
        Admission::Count
    }

    /// Counts denials that somebody else did not pass on one by one.
    pub fn count(&mut self, subject: &Text, kind: &Text, count: u64, now: Instant) {
        if count > 0 {
            self.subjects.entry(subject.clone()).or_default().count(kind, count, now);
        }
    }

    /// The counts that have waited long enough, as records to write.
    #[must_use]
    pub fn due(&mut self, now: Instant) -> Vec<Record> {
        let is_due = |since: Instant| now.saturating_duration_since(since) >= PATIENCE;
        let due = self.subjects.iter_mut().filter(|(_, subject)| subject.since.is_some_and(is_due));
        due.filter_map(|(name, subject)| subject.flush(name)).collect()
    }

    /// All counts, as records to write: nobody will ask again.
    #[must_use]
    pub fn rest(&mut self) -> Vec<Record> {
        self.subjects.iter_mut().filter_map(|(name, subject)| subject.flush(name)).collect()
    }

    /// When the next count is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.subjects.values().filter_map(|subject| subject.since).min().map(|since| since + PATIENCE)
    }

    /// The counts of a subject that has ended, as a record to write. Its allowances stay used: a module that crashes
    /// and starts again gets no new ones by that.
    #[must_use]
    pub fn ended(&mut self, subject: &Text) -> Option<Record> {
        self.subjects.get_mut(subject)?.flush(subject)
    }
}

impl Subject {
    fn count(&mut self, kind: &Text, count: u64, now: Instant) {
        let known = self.counted.contains_key(kind) || self.counted.len() < MAX_COUNTED;
        let kind = if known { kind.clone() } else { Text::new(OTHERS) };
        let sum = self.counted.entry(kind).or_default();
        *sum = sum.saturating_add(count);
        self.since.get_or_insert(now);
    }

    fn flush(&mut self, name: &Text) -> Option<Record> {
        self.since = None;
        let counts = std::mem::take(&mut self.counted);
        (!counts.is_empty()).then(|| Record::Suppressed { subject: name.clone(), counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(records: &[Record]) -> u64 {
        let of = |record: &Record| {
            if let Record::Suppressed { counts, .. } = record { counts.values().sum() } else { 0 }
        };
        records.iter().map(of).sum()
    }

    #[test]
    fn of_a_kind_twenty_are_written_and_then_one_in_ten_seconds() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        let mut written = |now| {
            let times = (0..100).filter(|_| rate.admit(&"a".into(), &"k".into(), now) == Admission::Write);
            times.count()
        };
        assert_eq!(written(start), 20);
        assert_eq!(written(start + Duration::from_millis(9_999)), 0);
        assert_eq!(written(start + Duration::from_secs(10)), 1);
        assert_eq!(written(start + Duration::from_secs(3600)), 1);
    }

    #[test]
    fn a_count_is_due_after_a_minute_and_at_the_end() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        let flood = |rate: &mut RateLimit, now| {
            (0..30).for_each(|_| {
                assert!(matches!(
                    rate.admit(&"a".into(), &"k".into(), now),
                    Admission::Write | Admission::Count
                ))
            });
        };
        flood(&mut rate, start);
        assert_eq!(rate.next_due(), Some(start + PATIENCE));
        assert_eq!(rate.due(start + Duration::from_secs(59)), vec![]);
        let expected =
            |count| Record::Suppressed { subject: "a".into(), counts: BTreeMap::from([("k".into(), count)]) };
        assert_eq!(rate.due(start + PATIENCE), vec![expected(10)]);
        assert_eq!((rate.next_due(), rate.ended(&"a".into())), (None, None));
        flood(&mut rate, start + PATIENCE);
        assert_eq!(rate.ended(&"a".into()), Some(expected(29)));
    }

    #[test]
    fn the_end_of_a_subject_gives_it_no_new_allowance() {
        let (mut rate, start) = (RateLimit::default(), Instant::now());
        let mut admit = || rate.admit(&"a".into(), &"k".into(), start);
        assert!((0..20).all(|_| admit() == Admission::Write));
        let _nothing_counted = rate.ended(&"a".into());
        assert_eq!(rate.admit(&"a".into(), &"k".into(), start), Admission::Count);
        assert_eq!(rate.admit(&"b".into(), &"k".into(), start), Admission::Write, "another one's is its own");
    }

    #[test]
    fn what_was_counted_last_is_told_at_the_end_without_waiting() {
        let (mut rate, now) = (RateLimit::default(), Instant::now());
        for subject in ["a", "b"] {
            rate.count(&Text::new(subject), &Text::new("k"), 3, now);
        }
        assert_eq!(counted(&rate.due(now)), 0, "the control: it is not due yet");
        assert_eq!(counted(&rate.rest()), 6);
        assert_eq!(counted(&rate.rest()), 0);
    }

    proptest! {
        /// Whatever is tried, in whatever order: all of it is told, little of it is written, and memory is bounded.
        #[test]
        fn every_denial_is_written_or_counted_and_few_are_written(
            tries in prop::collection::vec((0_u8..2, 0_u16..2000, 0_u64..500), 1..1000),
        ) {
            let (mut rate, start) = (RateLimit::default(), Instant::now());
            let (mut now, mut written, mut records) = (start, 0_u64, Vec::new());
            for (subject, kind, pause) in &tries {
                now += Duration::from_millis(*pause);
                let (subject, kind) = (Text::new(&subject.to_string()), Text::new(&kind.to_string()));
                written += u64::from(rate.admit(&subject, &kind, now) == Admission::Write);
                records.extend(rate.due(now));
            }
            let lines = records.len();
            records.extend(["0", "1"].iter().filter_map(|subject| rate.ended(&Text::new(subject))));
            prop_assert_eq!(written + counted(&records), u64::try_from(tries.len()).unwrap());
            let seconds = (now - start).as_secs();
            prop_assert!(written <= 2 * (u64::from(FIRST_OF_ALL) + seconds / 10 + 1));
            prop_assert!(u64::try_from(lines).unwrap() <= 2 * (seconds / 60 + 1));
            prop_assert!(rate.subjects.values().all(|subject| subject.kinds.len() <= MAX_KINDS + 1));
        }
    }
}
