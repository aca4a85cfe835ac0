use super::*;
use crate::{CoreNeeds, Decisions, Grants, derive, derive_core};
use cofferdam_manifest::{ConfigKey, Manifest};
use expect_test::expect_file;
use std::collections::{BTreeMap, BTreeSet};

const MANIFEST: &str = r#"
name = "watcher"
version = "1.2.0"
entry_point = "watcher"
capabilities = ["read_chain_state", "subscribe_events", "send_transactions"]

[config_schema]
poll_interval = "seconds"
"#;

fn calls() -> Vec<CallLine> {
    let line = |name: &str, capability, summary: &str| CallLine {
        name: name.to_owned(),
        capability,
        summary: summary.to_owned(),
    };
    vec![
        line("get_block", Some(Capability::ReadBlockchain), "The whole block with this hash."),
        line("get_chain_tip", Some(Capability::ReadChainState), "The hash of the best block."),
        line(
            "subscribe_events",
            Some(Capability::SubscribeEvents),
            "Adds event types to what this module receives.",
        ),
        line("log", None, "Writes a line to the log of this module. Every module may."),
    ]
}

fn events() -> Vec<String> {
    ["NewBlock", "NewTransaction", "ChainReorg"].map(str::to_owned).to_vec()
}

fn profile(decisions: &Decisions, linkage: Linkage) -> Profile {
    let manifest = Manifest::parse("module.toml", MANIFEST).expect("valid");
    derive(&manifest, decisions, linkage, &Tables::builtin())
}

fn sample() -> Profile {
    let only = [Capability::ReadChainState, Capability::SubscribeEvents].into_iter().collect();
    let key = ConfigKey::new("poll_interval").expect("valid");
    let decisions = Decisions {
        grants: Grants::Only(only),
        settings: BTreeMap::from([(key, "5".to_owned())]),
        ..Decisions::default()
    };
    profile(&decisions, Linkage::Static)
}

fn page(profile: &Profile) -> String {
    render(profile, &Tables::builtin(), &calls(), &events())
}

#[test]
fn the_page_of_a_static_module_is_the_reviewed_one() {
    expect_file!["expected/module-static.txt"].assert_eq(&page(&sample()));
}

#[test]
fn the_page_of_a_core_with_a_node_is_the_reviewed_one() {
    let needs = CoreNeeds { connect_ports: BTreeSet::from([8332, 28332]), ..CoreNeeds::default() };
    let profile = derive_core(&needs, Linkage::Static, &Tables::builtin());
    expect_file!["expected/core-with-node.txt"].assert_eq(&page(&profile));
}

#[test]
fn no_line_of_a_page_is_longer_than_100_characters() {
    for linkage in [Linkage::Static, Linkage::Dynamic] {
        let page = page(&profile(&Decisions::default(), linkage));
        assert_eq!(page.lines().find(|line| line.chars().count() > 100), None);
    }
}

#[test]
fn a_page_states_every_reason_of_its_profile() {
    let profile = profile(&Decisions::default(), Linkage::Dynamic);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&page(&profile));
    let reasons = (profile.syscalls.rules.values())
        .flat_map(|rules| &rules.clauses)
        .map(|clause| &clause.why)
        .chain(profile.namespaces.iter().map(|rule| &rule.why))
        .chain(profile.libraries.iter().map(|rule| &rule.why))
        .chain(profile.rlimits.iter().map(|rule| &rule.why))
        .chain(profile.descriptors.iter().map(|rule| &rule.why))
        .chain([&profile.data.why, &profile.limits.memory_bytes.why]);
    for why in reasons {
        assert!(page.contains(&words(why)), "{why}");
    }
}

#[test]
fn a_page_names_every_call_that_has_a_rule() {
    let profile = profile(&Decisions::default(), Linkage::Dynamic);
    let page = page(&profile);
    for rules in profile.syscalls.rules.values() {
        assert!(page.contains(&rules.name), "{}", rules.name);
    }
}

#[test]
fn a_withheld_capability_is_listed_apart_from_the_granted_ones() {
    let page = page(&sample());
    let withheld = page.find("withheld by the operator").expect("listed");
    assert!(page.find("send_transactions").expect("listed") > withheld);
}

#[test]
fn a_waived_layer_stands_on_the_page_with_its_consequence() {
    let weakening = Tables::builtin().weakening("cgroup").expect("can be waived");
    let decisions = Decisions { weakened_by: vec![weakening], ..Decisions::default() };
    let page = page(&profile(&decisions, Linkage::Static));
    let tail = page.split("\nWEAKENED BY\n").nth(1).expect("the section exists");
    assert!(tail.trim_start().starts_with("cgroup") && tail.contains("halt the node"), "{tail}");
    assert!(page.contains("The operator accepts missing layers"));
}

#[test]
fn a_setting_cannot_forge_a_line_of_the_page() {
    let key = ConfigKey::new("a").expect("valid");
    let settings = BTreeMap::from([(key, "x\nWEAKENED BY\n  \u{1b}[2J".to_owned())]);
    let page = page(&profile(&Decisions { settings, ..Decisions::default() }, Linkage::Static));
    assert_eq!(page.lines().filter(|line| line.starts_with("WEAKENED BY")).count(), 1);
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn the_json_page_holds_the_profile_and_only_what_is_granted() {
    let json: serde_json::Value =
        serde_json::from_str(&render_json(&sample(), &calls(), &events())).expect("JSON");
    let names: Vec<&str> = json["may_call"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|call| call["name"].as_str())
        .collect();
    assert_eq!(names, ["get_chain_tip", "subscribe_events", "log"]);
    assert_eq!(json["may_hear"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["profile"]["network"]["none"]["why"].as_str().map(str::is_empty), Some(false));
    assert_eq!(json["profile"]["withheld"][0], "send_transactions");
}
