//! What differs between two lock files, in words.

use std::collections::BTreeSet;

use cofferdam_manifest::ModuleName;

use crate::{Grant, Lock};

/// What differs for one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The module.
    pub module: ModuleName,
    /// What it has now and had not before.
    pub added: Vec<String>,
    /// What it had before and has no more.
    pub removed: Vec<String>,
}

impl Lock {
    /// What differs in `self` from `old`: one entry for each module of which anything does.
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Vec<Change> {
        let names: BTreeSet<&ModuleName> = old.modules.keys().chain(self.modules.keys()).collect();
        let change = |module: &ModuleName| {
            let [before, after] = [old, self].map(|lock| words(lock.modules.get(module)));
            let [added, removed] = [(&after, &before), (&before, &after)]
                .map(|(these, those)| these.iter().filter(|word| !those.contains(word)).cloned().collect());
            Change { module: module.clone(), added, removed }
        };
        let changes = names.into_iter().map(change);
        changes.filter(|change| !change.added.is_empty() || !change.removed.is_empty()).collect()
    }
}

/// A grant as words, in a fixed order; nothing for none.
fn words(grant: Option<&Grant>) -> Vec<String> {
    let Some(grant) = grant else { return Vec::new() };
    let mut words = vec![
        format!("version {}", grant.version),
        format!("manifest {}", grant.manifest),
        format!("program {}", grant.program),
    ];
    words.extend(grant.signed_by.iter().map(|key| format!("signed by {key}")));
    words.extend(grant.capabilities.iter().map(|capability| format!("capability {capability}")));
    words.extend(grant.publish_events.iter().map(|event| format!("event {event}")));
    words.extend(grant.withheld.iter().map(|capability| format!("withheld capability {capability}")));
    words.extend(grant.withheld_events.iter().map(|event| format!("withheld event {event}")));
    words
}
