//! What a watched module asked of the core, as the core tells the launcher for `cofferdam learn`: names and counts,
//! and no argument of any call.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// More calls, and more event types, than there are.
const MAX_NAMES: usize = 512;

/// More bytes than the name of any call or event type has.
const MAX_NAME_BYTES: usize = 64;

/// What one module did since the core began, over all its sessions. It is the core's claim: see [`Watched::is_sound`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// Sessions it opened.
    pub sessions: u64,
    /// Its calls, by their wire names.
    pub calls: BTreeMap<String, Met>,
    /// The event types that it published or tried to, by their names.
    pub published: BTreeMap<String, Met>,
    /// The event types that it subscribed to.
    pub subscribed: BTreeSet<String>,
}

/// How often something was granted and how often refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Met {
    /// What it needs was granted, whatever became of it then.
    pub granted: u64,
    /// What it needs was not granted.
    pub refused: u64,
}

impl Watched {
    /// Whether it could be true: names as calls and event types have them, and not more than there are.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let lists: [Vec<&String>; 3] =
            [self.calls.keys().collect(), self.published.keys().collect(), self.subscribed.iter().collect()];
        lists.iter().all(|names| names.len() <= MAX_NAMES && names.iter().all(|name| is_name(name)))
    }

    /// Adds what the module did while another core ran. The bound of names holds: those beyond it are left out.
    pub fn add(&mut self, other: &Self) {
        self.sessions = self.sessions.saturating_add(other.sessions);
        for (ours, theirs) in [(&mut self.calls, &other.calls), (&mut self.published, &other.published)] {
            for (name, met) in theirs {
                if ours.len() < MAX_NAMES || ours.contains_key(name) {
                    ours.entry(name.clone()).or_default().add(*met);
                }
            }
        }
        let room = MAX_NAMES.saturating_sub(self.subscribed.len());
        let new: Vec<String> = other.subscribed.difference(&self.subscribed).take(room).cloned().collect();
        self.subscribed.extend(new);
    }
}

impl Met {
    fn add(&mut self, other: Self) {
        self.granted = self.granted.saturating_add(other.granted);
        self.refused = self.refused.saturating_add(other.refused);
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_call(name: &str, met: Met) -> Watched {
        Watched { calls: BTreeMap::from([(name.to_owned(), met)]), ..Watched::default() }
    }

    #[test]
    fn names_that_no_call_has_and_more_than_there_are_are_not_sound() {
        assert!(with_call("get_block", Met::default()).is_sound());
        for name in ["", "a b", "a\tb", "a\nb", "\u{1b}[2J", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert!(!with_call(name, Met::default()).is_sound(), "{name:?}");
            let subscribed = BTreeSet::from([name.to_owned()]);
            assert!(!Watched { subscribed, ..Watched::default() }.is_sound(), "{name:?}");
        }
        let calls = |count: usize| (0..count).map(|index| (format!("c{index}"), Met::default())).collect();
        assert!(Watched { calls: calls(MAX_NAMES), ..Watched::default() }.is_sound());
        assert!(!Watched { calls: calls(MAX_NAMES + 1), ..Watched::default() }.is_sound());
    }

    #[test]
    fn what_a_module_did_under_two_cores_is_added_and_stays_bounded() {
        let mut sum = with_call("a", Met { granted: 1, refused: u64::MAX });
        sum.add(&with_call("a", Met { granted: 2, refused: 1 }));
        assert_eq!(sum.calls["a"], Met { granted: 3, refused: u64::MAX });
        for index in 0..2 * MAX_NAMES {
            let subscribed = BTreeSet::from([format!("E{index}")]);
            sum.add(&Watched { subscribed, ..with_call(&format!("c{index}"), Met::default()) });
        }
        assert!(sum.is_sound());
    }
}
