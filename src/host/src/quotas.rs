//! How full each module's database and data directory are, and when that is worth telling.
//!
//! Only numbers are kept, as they were last seen; nothing here looks at the disk. A module is told once when it passes
//! a mark, and again only after it has been well below: one that writes and removes at the mark makes no flood.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_manifest::ModuleName;
use cofferdam_protocol::EventPayload;
use tokio::time::Instant;

/// The marks, in hundredths of a limit.
const MARKS: [u64; 2] = [80, 95];

/// How far below a mark the use must fall before passing the mark is news again, in hundredths of the limit.
const WELL_BELOW: u64 = 5;

/// The same mark is told no more often than this, however a module fills and empties what it has.
const SELDOM: Duration = Duration::from_secs(60);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    StorageBytes,
    StorageKeys,
    FileBytes,
    FileCount,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

/// The quotas of all modules.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    /// By module, of which there are as many as the roster has.
    modules: Mutex<HashMap<ModuleName, [Option<Gauge>; Resource::ALL.len()]>>,
}

#[derive(Debug, Clone, Copy)]
struct Gauge {
    fill: Fill,
    told: Told,
}

/// Which marks were told, and when.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// How many marks count as passed, from the lowest.
    marks: usize,
    last: [Option<Instant>; MARKS.len()],
}

impl Resource {
    pub(crate) const ALL: [Self; 4] =
        [Self::StorageBytes, Self::StorageKeys, Self::FileBytes, Self::FileCount];

    /// As events and metrics name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::StorageBytes => "storage_bytes",
            Self::StorageKeys => "storage_keys",
            Self::FileBytes => "file_bytes",
            Self::FileCount => "file_count",
        }
    }

    fn place(self) -> usize {
        match self {
            Self::StorageBytes => 0,
            Self::StorageKeys => 1,
            Self::FileBytes => 2,
            Self::FileCount => 3,
        }
    }
}

impl Fill {
    /// How many marks the use reaches, if it is taken to be `more` hundredths of the limit larger than it is.
    fn marks(self, more: u64) -> usize {
        let hundredths = |share: u64| u128::from(self.limit) * u128::from(share);
        let used = u128::from(self.used) * 100 + hundredths(more);
        MARKS.iter().filter(|mark| self.limit > 0 && used >= hundredths(**mark)).count()
    }
}

impl Quotas {
    /// What `module` uses now. Gives what is to be told of it.
    pub(crate) fn note(
        &self,
        module: &ModuleName,
        seen: impl IntoIterator<Item = (Resource, Fill)>,
    ) -> Vec<EventPayload> {
        let now = Instant::now();
        let mut modules = self.lock();
        if !modules.contains_key(module) {
            modules.insert(module.clone(), Default::default());
        }
        let Some(gauges) = modules.get_mut(module) else { return Vec::new() };
        let mut events = Vec::new();
        for (resource, fill) in seen {
            let Some(gauge) = gauges.get_mut(resource.place()) else { continue };
            let mut told = gauge.map(|gauge| gauge.told).unwrap_or_default();
            if told.is_news(fill, now) {
                events.push(EventPayload::ResourceLimitWarning {
                    module: module.to_string(),
                    resource: resource.word().to_owned(),
                    used: fill.used,
                    limit: fill.limit,
                });
            }
            *gauge = Some(Gauge { fill, told });
        }
        events
    }

    /// What is known of `module`; nothing of what it has not used since the core began.
    pub(crate) fn of(&self, module: &ModuleName) -> Vec<(Resource, Fill)> {
        let modules = self.lock();
        let gauges = modules.get(module).copied().unwrap_or_default();
        let known = Resource::ALL.into_iter().zip(gauges);
        known.filter_map(|(resource, gauge)| Some((resource, gauge?.fill))).collect()
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<ModuleName, [Option<Gauge>; Resource::ALL.len()]>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// Whether `fill` passes a mark that is to be told. What is too soon is told with the next change.
    fn is_news(&mut self, fill: Fill, now: Instant) -> bool {
        self.marks = self.marks.min(fill.marks(WELL_BELOW));
        let reached = fill.marks(0);
        let last = reached.checked_sub(1).and_then(|mark| self.last.get_mut(mark));
        let Some(last) = last.filter(|_| reached > self.marks) else { return false };
        if last.is_some_and(|last| now.saturating_duration_since(last) < SELDOM) {
            return false;
        }
        *last = Some(now);
        self.marks = reached;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How full a gauge of limit 100 must be to be told of, of these uses one after another, a second apart.
    async fn told(uses: &[u64]) -> Vec<u64> {
        let (quotas, module) = (Quotas::default(), "a".parse().unwrap());
        let mut told = Vec::new();
        for used in uses {
            let events = quotas.note(&module, [(Resource::StorageKeys, Fill { used: *used, limit: 100 })]);
            told.extend(events.into_iter().map(|_| *used));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        told
    }

    #[tokio::test(start_paused = true)]
    async fn each_mark_is_told_once_when_it_is_passed() {
        assert_eq!(told(&[1, 79, 80, 81, 94, 95, 96, 100]).await, [80, 95]);
        assert_eq!(told(&[100, 100, 96]).await, [100], "both at once are one warning");
        assert_eq!(told(&[0, 79]).await, [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn going_to_and_fro_at_a_mark_is_no_news_and_coming_back_to_it_later_is() {
        assert_eq!(told(&[80, 76, 80, 76, 80]).await, [80]);
        let long: Vec<u64> = [80, 74].into_iter().chain([50; 60]).chain([80]).collect();
        assert_eq!(told(&long).await, [80, 80]);
        assert_eq!(told(&[80, 10, 80, 10, 80, 96]).await, [80, 96], "too soon for the first mark");
        let soon: Vec<u64> = [80, 10, 80].into_iter().chain([81; 60]).collect();
        assert_eq!(told(&soon).await, [80, 81], "what was too soon is told later, once");
    }

    #[test]
    fn a_limit_of_nothing_is_never_warned_of_and_no_number_is_too_large() {
        assert_eq!(Fill { used: 5, limit: 0 }.marks(0), 0);
        assert_eq!(Fill { used: u64::MAX, limit: u64::MAX }.marks(WELL_BELOW), 2);
    }

    #[test]
    fn what_was_seen_last_of_each_resource_is_known() {
        let (quotas, module) = (Quotas::default(), "a".parse().unwrap());
        assert_eq!(quotas.of(&module), []);
        for used in [1, 2] {
            quotas.note(&module, [(Resource::FileBytes, Fill { used, limit: 9 })]);
        }
        quotas.note(&"b".parse().unwrap(), [(Resource::StorageKeys, Fill { used: 1, limit: 1 })]);
        assert_eq!(quotas.of(&module), [(Resource::FileBytes, Fill { used: 2, limit: 9 })]);
    }

    proptest! {
        #[test]
        fn warnings_are_few_however_a_module_fills_and_empties(uses in proptest::collection::vec(0_u64..101, 0..200)) {
            let (mut gauge, now) = (Told::default(), Instant::now());
            let news = uses.iter().filter(|used| gauge.is_news(Fill { used: **used, limit: 100 }, now)).count();
            prop_assert!(news <= MARKS.len(), "{} in a moment", news);
        }
    }
}
