//! What was seen, compared with what is declared and allowed. It is pure, and proposes the least: what was used, what
//! cannot be seen, and what was asked for in vain.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_manifest::{Capability, CapabilitySet, Manifest};
use cofferdam_policy::Tables;
use cofferdam_policy::profile::{Profile, SyscallRules, Verdict};
use cofferdam_protocol::CATALOG;
use serde::Serialize;
use syscalls::Sysno;

use super::keep;
use super::seen::{Met, Seen};

/// What became of something that the manifest declares, or that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Declared and used.
    Used,
    /// Declared and never used.
    Unused,
    /// Not declared, and asked for in vain.
    Wanted,
    /// Declared and asked for in vain: the operator withholds it.
    Withheld,
}

impl State {
    fn of(declared: bool, met: Met) -> Self {
        match (declared, met) {
            (true, Met { granted: 0, refused: 0 }) => Self::Unused,
            (true, Met { granted: 1.., .. }) => Self::Used,
            (true, _) => Self::Withheld,
            // Whatever the core says that it answered: it is not the one who declares.
            (false, _) => Self::Wanted,
        }
    }
}

/// A capability.
#[derive(Debug, Serialize)]
pub(super) struct CapabilityLine {
    pub(super) capability: Capability,
    pub(super) state: State,
    /// The calls that need it, and how often each was made.
    pub(super) calls: BTreeMap<&'static str, u64>,
    /// Of one that is wanted: what can go wrong when a hostile module has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) risk: Option<String>,
}

/// An event type that the module publishes.
#[derive(Debug, Serialize)]
pub(super) struct EventLine {
    pub(super) event: String,
    pub(super) state: State,
    pub(super) times: u64,
}

/// A system call that was made.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) times: u64,
}

/// A system call that is allowed and was not made.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unseen {
    pub(super) name: String,
    /// Why the policy allows it; of one that is kept, why it is kept.
    pub(super) why: String,
}

/// The system calls.
#[derive(Debug, Serialize)]
pub(super) struct Calls {
    pub(super) allowed: usize,
    pub(super) used: Vec<Made>,
    /// Not made, and to be refused from now on.
    pub(super) unseen: Vec<Unseen>,
    /// Not made or not visible, and needed.
    pub(super) kept: Vec<Unseen>,
    pub(super) refused: Vec<Made>,
}

/// What stands among the calls of `write_filesystem`, beside those of the node API.
const BY_ITSELF: &str = "files written by itself";

pub(super) fn capabilities(
    seen: &Seen,
    manifest: &Manifest,
    granted: &CapabilitySet,
    tables: &Tables,
) -> Vec<CapabilityLine> {
    let declared = manifest.capabilities();
    let one = |capability: &Capability| {
        let mut sum = Met::default();
        let mut calls = BTreeMap::new();
        for info in CATALOG.iter().filter(|info| info.capability == Some(*capability)) {
            let Some(met) = seen.calls.get(info.name) else { continue };
            sum.granted = sum.granted.saturating_add(met.granted);
            sum.refused = sum.refused.saturating_add(met.refused);
            calls.insert(info.name, met.granted.saturating_add(met.refused));
        }
        if *capability == Capability::WriteFilesystem && seen.writes > 0 {
            // Without it the data directory is read-only, and they failed.
            let counted = if granted.contains(*capability) { &mut sum.granted } else { &mut sum.refused };
            *counted = counted.saturating_add(seen.writes);
            calls.insert(BY_ITSELF, seen.writes);
        }
        if !declared.contains(*capability) && sum == Met::default() {
            return None;
        }
        let state = State::of(declared.contains(*capability), sum);
        let note = tables.note(*capability).filter(|_| state == State::Wanted);
        Some(CapabilityLine {
            capability: *capability,
            state,
            calls,
            risk: note.map(|note| note.risk.clone()),
        })
    };
    Capability::ALL.iter().filter_map(one).collect()
}

pub(super) fn events(seen: &Seen, manifest: &Manifest) -> Vec<EventLine> {
    let declared: BTreeSet<&str> = manifest.publish_events().iter().map(|event| event.as_str()).collect();
    let all: BTreeSet<&str> = declared.iter().copied().chain(seen.published.keys().copied()).collect();
    let one = |event: &str| {
        let met = seen.published.get(event).copied().unwrap_or_default();
        let state = State::of(declared.contains(event), met);
        EventLine { event: event.to_owned(), state, times: met.granted.saturating_add(met.refused) }
    };
    all.into_iter().map(one).collect()
}

pub(super) fn system_calls(seen: &Seen, profile: &Profile) -> Calls {
    let mut calls =
        Calls { allowed: 0, used: Vec::new(), unseen: Vec::new(), kept: Vec::new(), refused: Vec::new() };
    for (number, rules) in &profile.syscalls.rules {
        let Some(why) = allowed_because(rules) else { continue };
        calls.allowed = calls.allowed.saturating_add(1);
        let counts = seen.allowed.range((*number, 0)..=(*number, usize::MAX)).map(|(_, count)| *count);
        let times = counts.fold(0, u64::saturating_add);
        let name = rules.name.clone();
        match keep::because(&name) {
            _ if times > 0 => calls.used.push(Made { name, times }),
            Some(why) => calls.kept.push(Unseen { name, why: why.to_owned() }),
            None => calls.unseen.push(Unseen { name, why: why.to_owned() }),
        }
    }
    calls.used.sort_by_key(|made| std::cmp::Reverse(made.times));
    calls.refused =
        seen.refused.iter().map(|(number, times)| Made { name: name_of(*number), times: *times }).collect();
    if seen.refused_others > 0 {
        calls.refused.push(Made { name: "others".to_owned(), times: seen.refused_others });
    }
    calls
}

fn allowed_because(rules: &SyscallRules) -> Option<&str> {
    rules.clauses.iter().find(|clause| clause.verdict == Verdict::Allow).map(|clause| clause.why.as_str())
}

fn name_of(number: i32) -> String {
    let call = usize::try_from(number).ok().and_then(Sysno::new);
    call.map_or_else(|| format!("system call {number}"), |call| call.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_policy::profile::Linkage;
    use cofferdam_policy::{Decisions, derive};

    fn manifest() -> Manifest {
        let text = "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\n\
            capabilities = [\"read_utxo\", \"read_mempool\", \"publish_events\"]\n\
            publish_events = [\"PaymentSettled\"]\n";
        Manifest::parse("module.toml", text).unwrap()
    }

    fn met(granted: u64, refused: u64) -> Met {
        Met { granted, refused }
    }

    #[test]
    fn each_capability_is_used_unused_wanted_or_withheld() {
        let seen = Seen {
            calls: BTreeMap::from([
                ("get_utxo", met(2, 0)),
                ("get_mempool_size", met(0, 3)),
                ("get_block", met(0, 4)),
            ]),
            ..Seen::default()
        };
        let lines = capabilities(&seen, &manifest(), manifest().capabilities(), &Tables::builtin());
        let states: Vec<_> = lines.iter().map(|line| (line.capability, line.state)).collect();
        assert_eq!(
            states,
            [
                (Capability::ReadBlockchain, State::Wanted),
                (Capability::ReadUtxo, State::Used),
                (Capability::ReadMempool, State::Withheld),
                (Capability::PublishEvents, State::Unused),
            ]
        );
        assert!(lines[0].risk.is_some() && lines[1].risk.is_none());
        assert_eq!(lines[0].calls["get_block"], 4);
    }

    /// The counts of what was granted are the core's claim.
    #[test]
    fn a_core_that_claims_to_have_granted_what_is_not_declared_does_not_make_it_used() {
        let granted = BTreeMap::from([("get_block", met(9, 0)), ("get_utxo", met(9, 0))]);
        let published = BTreeMap::from([("PaymentFailed", met(9, 0))]);
        let seen = Seen { calls: granted, published, ..Seen::default() };
        let lines = capabilities(&seen, &manifest(), manifest().capabilities(), &Tables::builtin());
        let [wanted, used, ..] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((wanted.capability, wanted.state), (Capability::ReadBlockchain, State::Wanted));
        assert!(wanted.risk.is_some());
        assert_eq!((used.capability, used.state), (Capability::ReadUtxo, State::Used), "the control");
        assert_eq!(events(&seen, &manifest())[0].state, State::Wanted);
    }

    #[test]
    fn files_that_a_module_writes_itself_are_a_use_of_the_capability_or_a_wish_for_it() {
        let text =
            "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\ncapabilities = [\"write_filesystem\"]\n";
        let writer = Manifest::parse("module.toml", text).unwrap();
        let state = |writes, manifest: &Manifest, granted: &CapabilitySet| {
            let seen = Seen { writes, ..Seen::default() };
            let lines = capabilities(&seen, manifest, granted, &Tables::builtin());
            let line = lines.into_iter().find(|line| line.capability == Capability::WriteFilesystem);
            line.map(|line| (line.state, line.calls.get(BY_ITSELF).copied()))
        };
        let (all, nothing) = (writer.capabilities(), CapabilitySet::new());
        assert_eq!(state(0, &writer, all), Some((State::Unused, None)));
        assert_eq!(state(3, &writer, all), Some((State::Used, Some(3))));
        assert_eq!(state(3, &writer, &nothing), Some((State::Withheld, Some(3))));
        assert_eq!(state(3, &manifest(), &nothing), Some((State::Wanted, Some(3))));
        assert_eq!(state(0, &manifest(), &nothing), None);
    }

    #[test]
    fn every_capability_shows_its_use_by_some_call() {
        for capability in Capability::ALL {
            assert!(CATALOG.iter().any(|call| call.capability == Some(*capability)), "{capability}");
        }
    }

    #[test]
    fn each_event_type_is_used_unused_or_wanted() {
        let seen = Seen { published: BTreeMap::from([("PaymentFailed", met(0, 1))]), ..Seen::default() };
        let states: Vec<_> =
            events(&seen, &manifest()).into_iter().map(|line| (line.event, line.state)).collect();
        let expected = [("PaymentFailed", State::Wanted), ("PaymentSettled", State::Unused)];
        assert_eq!(states, expected.map(|(event, state)| (event.to_owned(), state)));
    }

    #[test]
    fn each_allowed_system_call_is_used_kept_or_unseen_and_each_once() {
        let profile = derive(&manifest(), &Decisions::default(), Linkage::Static, &Tables::builtin());
        let (read, socket) = (0, 41);
        let seen = Seen {
            allowed: BTreeMap::from([((read, 0), 5)]),
            refused: BTreeMap::from([(socket, 2)]),
            ..Seen::default()
        };
        let calls = system_calls(&seen, &profile);
        assert_eq!(calls.allowed, calls.used.len() + calls.kept.len() + calls.unseen.len());
        assert!(calls.allowed > 90, "{}", calls.allowed);
        assert_eq!((calls.used[0].name.as_str(), calls.used[0].times), ("read", 5));
        assert_eq!((calls.refused[0].name.as_str(), calls.refused[0].times), ("socket", 2));
        assert!(calls.unseen.iter().any(|call| call.name == "flock"));
        for name in ["exit_group", "rt_sigreturn", "clock_gettime", "munmap"] {
            assert!(calls.kept.iter().any(|call| call.name == name), "{name}");
        }
    }
}
