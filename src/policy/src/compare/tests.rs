use super::*;
use crate::profile::{Clause, Condition, Errno, Limits, SyscallPolicy, SyscallRules, Verdict};
use crate::{CoreNeeds, Decisions, Grants, Overrides, Tables, derive, derive_core};
use cofferdam_manifest::{Capability, CapabilitySet, Manifest};
use proptest::prelude::*;
use proptest::sample::subsequence;
use std::sync::LazyLock;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::builtin);

/// A module that declares every capability and gets these.
fn granted(capabilities: &[Capability]) -> Profile {
    decided(&Decisions { grants: Grants::Only(set(capabilities)), ..Decisions::default() })
}

fn set(capabilities: &[Capability]) -> CapabilitySet {
    capabilities.iter().copied().collect()
}

fn decided(decisions: &Decisions) -> Profile {
    let names: Vec<String> = Capability::ALL.iter().map(|capability| format!("\"{capability}\"")).collect();
    let text = format!(
        "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\ncapabilities = [{}]",
        names.join(", ")
    );
    derive(&Manifest::parse("module.toml", &text).unwrap(), decisions, Linkage::Static, &TABLES)
}

fn more(difference: &Difference) -> Vec<&str> {
    let more = difference.changes.iter().filter(|change| change.direction == Direction::More);
    more.map(|change| change.what.as_str()).collect()
}

#[test]
fn granting_one_capability_shows_exactly_that() {
    for capability in Capability::ALL {
        let difference = compare(&granted(&[]), &granted(&[*capability]));
        // The one that changes a wall, and the limits of what is then allowed.
        let beside: &[&str] = match capability == &Capability::WriteFilesystem {
            true => &["/data: write, create, remove and rename", "disk_bytes", "disk_files"],
            false => &[],
        };
        let expected: Vec<&str> = [capability.as_str()].iter().chain(beside).copied().collect();
        assert_eq!(more(&difference), expected);
        let named = |change: &Change| expected.contains(&change.what.as_str());
        assert!(difference.changes.iter().all(named), "{difference:?}");
    }
}

#[test]
fn a_higher_limit_is_more_and_a_lower_one_is_less() {
    let limited = |memory_bytes| {
        let overrides = Overrides { memory_bytes: Some(memory_bytes), ..Overrides::default() };
        decided(&Decisions { overrides, ..Decisions::default() })
    };
    let difference = compare(&limited(1 << 24), &limited(1 << 25));
    assert_eq!(more(&difference), ["memory_bytes"]);
    assert!(!compare(&limited(1 << 25), &limited(1 << 24)).allows_more());
}

#[test]
fn a_quota_where_there_was_none_is_less() {
    let new = granted(&[Capability::WriteFilesystem]);
    let old = Profile { limits: Limits { disk: None, ..new.limits.clone() }, ..new.clone() };
    assert!(!compare(&old, &new).allows_more(), "a page of before there were quotas");
    assert_eq!(more(&compare(&new, &old)), ["disk_bytes", "disk_files"]);
}

#[test]
fn a_limit_that_is_gone_is_more() {
    let old = granted(&[]);
    let new = Profile { rlimits: Vec::new(), ..old.clone() };
    assert_eq!(more(&compare(&old, &new)).len(), old.rlimits.len());
}

#[test]
fn a_layer_that_may_be_missing_and_a_namespace_that_is_gone_are_more() {
    let old = granted(&[]);
    let weak = Profile { weakened_by: TABLES.weakening("cgroup").into_iter().collect(), ..old.clone() };
    assert_eq!(more(&compare(&old, &weak)), ["cgroup"]);
    let shared = Profile { namespaces: Vec::new(), ..old.clone() };
    assert_eq!(more(&compare(&old, &shared)).len(), old.namespaces.len());
}

#[test]
fn a_core_that_reaches_a_node_reaches_more_than_one_that_does_not() {
    let core = |ports: &[u16]| {
        let needs = CoreNeeds { connect_ports: ports.iter().copied().collect(), ..CoreNeeds::default() };
        derive_core(&needs, Linkage::Static, &TABLES)
    };
    let difference = compare(&core(&[8332]), &core(&[8332, 28332]));
    assert_eq!(more(&difference), ["TCP port 28332"]);
}

#[test]
fn settings_and_versions_differ_without_allowing_more() {
    let old = granted(&[]);
    let version = Subject::Module { name: "m".parse().unwrap(), version: "2.0.0".to_owned() };
    let difference = compare(&old, &Profile { subject: version, ..old.clone() });
    assert_eq!(difference.changes.len(), 1);
    assert!(!difference.allows_more());
}

#[test]
fn another_reason_is_no_difference() {
    let old = granted(&[]);
    let mut new = old.clone();
    new.limits.memory_bytes.why = "another".to_owned();
    new.syscalls
        .rules
        .values_mut()
        .flat_map(|rules| &mut rules.clauses)
        .for_each(|clause| clause.why.clear());
    assert_eq!(compare(&old, &new), Difference::default());
}

#[test]
fn every_call_that_is_no_longer_allowed_is_named_and_only_those() {
    let old = granted(&[]);
    for (number, rules) in &old.syscalls.rules {
        let mut new = old.clone();
        new.syscalls.rules.remove(number);
        let difference = compare(&old, &new);
        assert!(
            difference.changes.iter().all(|change| change.what.starts_with(&rules.name)),
            "{difference:?}"
        );
        assert!(
            !difference.allows_more() || rules.clauses.iter().any(|clause| clause.verdict == Verdict::Kill)
        );
    }
}

fn condition(mask: u32, value: u32) -> Condition {
    Condition { argument: 0, mask, value, text: format!("a & {mask} is {value}") }
}

fn policy(clauses: Vec<(Vec<Condition>, Verdict)>) -> SyscallPolicy {
    let clause = |(when, verdict)| Clause { when, verdict, why: String::new(), file: String::new() };
    let rules = SyscallRules { name: "call".to_owned(), clauses: clauses.into_iter().map(clause).collect() };
    SyscallPolicy { rules: BTreeMap::from([(7, rules)]), otherwise: Verdict::Refuse(Errno::NoSys) }
}

#[test]
fn one_more_value_of_an_argument_is_told_with_its_condition() {
    let old = policy(vec![(vec![condition(u32::MAX, 1)], Verdict::Allow)]);
    let new = policy(vec![
        (vec![condition(u32::MAX, 1)], Verdict::Allow),
        (vec![condition(u32::MAX, 2)], Verdict::Allow),
    ]);
    let changes = syscalls::compare(&old, &new);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].what, format!("call (a & {} is 2)", u32::MAX));
    assert_eq!(changes[0].direction, Direction::More);
}

#[test]
fn rules_that_cannot_be_compared_are_not_called_harmless() {
    let many = |first: u32| {
        let clauses = (first..first + 100).map(|value| (vec![condition(u32::MAX, value)], Verdict::Allow));
        policy(clauses.collect())
    };
    let changes = syscalls::compare(&many(0), &many(1));
    assert!(changes.iter().any(|change| change.direction == Direction::More), "{changes:?}");
}

#[test]
fn a_page_in_json_gives_back_its_profile() {
    let profile = granted(&[Capability::ReadUtxo]);
    let json = crate::page::render_json(&profile, &[], &[]);
    assert_eq!(crate::page::profile_of(&json), Ok(profile));
}

#[test]
fn a_page_with_an_unknown_or_a_missing_key_is_refused() {
    let json = crate::page::render_json(&granted(&[]), &[], &[]);
    assert!(crate::page::profile_of(&json.replace("\"withheld\"", "\"withheld_by\"")).is_err());
    assert!(crate::page::profile_of(&json.replacen("\"granted\"", "\"ungranted\"", 1)).is_err());
    assert!(crate::page::profile_of("{").is_err());
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let capabilities = subsequence(Capability::ALL.to_vec(), 0..=Capability::ALL.len());
    let memory = proptest::option::of(1_u64 << 20..1 << 30);
    let layers = subsequence(vec!["cgroup", "landlock"], 0..=2);
    let removed = proptest::collection::vec(any::<proptest::sample::Index>(), 0..4);
    (capabilities, memory, layers, removed, any::<bool>()).prop_map(
        |(capabilities, memory_bytes, layers, removed, dynamic)| {
            let grants = Grants::Only(set(&capabilities));
            let overrides = Overrides { memory_bytes, ..Overrides::default() };
            let weakened_by = layers.into_iter().filter_map(|layer| TABLES.weakening(layer)).collect();
            let mut profile = decided(&Decisions { grants, overrides, weakened_by, ..Decisions::default() });
            for index in removed {
                let number = *index.get(&profile.syscalls.rules.keys().copied().collect::<Vec<_>>());
                profile.syscalls.rules.remove(&number);
            }
            profile.linkage = if dynamic { Linkage::Dynamic } else { Linkage::Static };
            profile
        },
    )
}

fn any_policy() -> impl Strategy<Value = SyscallPolicy> {
    let condition = (prop_oneof![Just(u32::MAX), 1_u32..8], 0_u32..8, 0_u8..2)
        .prop_map(|(mask, value, argument)| Condition { argument, ..condition(mask, value & mask) });
    let verdict = prop_oneof![Just(Verdict::Allow), Just(Verdict::Kill), Just(Verdict::Refuse(Errno::Perm))];
    let clause = (proptest::collection::vec(condition, 0..3), verdict);
    proptest::collection::vec(clause, 0..4).prop_map(policy)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_profile_does_not_differ_from_itself(profile in any_profile()) {
        prop_assert_eq!(compare(&profile, &profile), Difference::default());
    }

    #[test]
    fn the_reverse_of_a_difference_is_the_difference_of_the_reverse(old in any_profile(), new in any_profile()) {
        prop_assert_eq!(compare(&old, &new).mirrored(), compare(&new, &old));
    }

    #[test]
    fn what_two_policies_decide_differently_is_never_called_the_same(
        old in any_policy(), new in any_policy(), first in 0_u64..16, second in 0_u64..16,
    ) {
        let arguments = [first, second, 0, 0, 0, 0];
        let (before, after) = (old.decide(7, &arguments), new.decide(7, &arguments));
        let changes = syscalls::compare(&old, &new);
        if after == Verdict::Allow && before != Verdict::Allow {
            prop_assert!(changes.iter().any(|change| change.direction == Direction::More), "{changes:?}");
        }
    }

    #[test]
    fn the_calls_of_two_policies_are_compared_alike_from_both_sides(old in any_policy(), new in any_policy()) {
        let mirrored = Difference { changes: syscalls::compare(&old, &new) }.mirrored();
        prop_assert_eq!(mirrored, sorted(syscalls::compare(&new, &old)));
    }
}
