//! The launcher's trusted base: every crate that is linked into it or runs while it is built.
//!
//! A change of this list is a change of what has to be trusted, and is reviewed as one.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId};

use crate::crates::METADATA;

/// Linked in.
const LINKED: [(&str, &str); 26] = [
    ("bitflags", "flag words of nix"),
    ("block-buffer", "of sha2"),
    ("cfg-if", "of nix and sha2"),
    ("cpufeatures", "of sha2: finds the processor's SHA instructions"),
    ("crypto-common", "of sha2"),
    ("digest", "the trait of sha2"),
    ("enumflags2", "the access rights of landlock"),
    ("generic-array", "of sha2"),
    ("itoa", "of serde_json"),
    ("landlock", "builds and checks Landlock rulesets"),
    ("libc", "constants and structures of the kernel's interface"),
    ("memchr", "of serde_json and toml"),
    (
        "minisign-verify",
        "signatures of modules: Ed25519 and BLAKE2b, of the author of minisign; no dependencies",
    ),
    ("nix", "safe wrappers for the calls made before clone"),
    ("semver", "versions in manifests"),
    ("serde", "config, manifests, policies and the control messages"),
    ("serde_core", "of serde"),
    ("serde_json", "the control messages, the pages of policy, and the lines of the audit log"),
    ("serde_spanned", "of toml"),
    ("sha2", "the chain of the audit log, and the hashes in its records: program, manifest, profile"),
    ("strsim", "of document: which key was meant"),
    ("syscalls", "raw system calls for the child between clone and exec, and their names"),
    ("thiserror", "error enums"),
    ("toml", "config, manifests and policies"),
    ("typenum", "of sha2"),
    ("zmij", "of serde_json: prints fractions"),
];

/// Linked in too: the parts of toml.
const TOML: [&str; 4] = ["toml_datetime", "toml_parser", "toml_writer", "winnow"];

/// Run while it is built: procedural macros and build scripts, with what they are made of.
const BUILDING: [(&str, &str); 11] = [
    ("autocfg", "of build scripts"),
    ("cfg_aliases", "of the build script of nix"),
    ("enumflags2_derive", "of enumflags2"),
    ("memoffset", "of nix: field offsets of control messages"),
    ("proc-macro2", "of derive macros"),
    ("quote", "of derive macros"),
    ("serde_derive", "derives of serde"),
    ("syn", "of derive macros"),
    ("thiserror-impl", "derives of thiserror"),
    ("unicode-ident", "of derive macros"),
    ("version_check", "of the build script of generic-array"),
];

/// What must never come near it: an async runtime, the modules' wire format, HTTP, a TLS or compression stack.
const NEVER: [&str; 8] =
    ["tokio", "bincode", "hyper", "bitcoin", "clap", "tracing", "cofferdam-host", "cofferdam-protocol"];

#[test]
fn the_launcher_links_exactly_the_crates_that_were_reviewed() {
    let expected: BTreeSet<&str> =
        LINKED.iter().chain(&BUILDING).map(|(name, _)| *name).chain(TOML).collect();
    let found: BTreeSet<&str> =
        tree(&METADATA).into_keys().filter(|name| !name.starts_with("cofferdam-")).collect();
    let unknown: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(unknown.is_empty() && gone.is_empty(), "not reviewed: {unknown:?}; not used any more: {gone:?}");
}

#[test]
fn the_launcher_links_no_runtime_wire_format_or_network_stack() {
    let found: Vec<_> = tree(&METADATA).into_keys().filter(|name| NEVER.contains(name)).collect();
    assert_eq!(found, Vec::<&str>::new());
}

#[test]
fn json_reaches_the_launcher_through_the_audit_log_control_and_policy_only() {
    let tree = tree(&METADATA);
    let users: Vec<&str> =
        tree.iter().filter(|(_, uses)| uses.contains("serde_json")).map(|(name, _)| *name).collect();
    assert_eq!(users, ["cofferdam-audit", "cofferdam-control", "cofferdam-policy"]);
}

#[test]
fn the_walk_follows_dependencies_of_dependencies() {
    let tree = tree(&METADATA);
    assert!(tree["cofferdam-launcher"].contains("sha2") && tree.contains_key("typenum"));
}

/// Every crate that the launcher depends on, itself included, with what each uses; without what only tests use.
fn tree(metadata: &Metadata) -> BTreeMap<&str, BTreeSet<&str>> {
    let nodes: BTreeMap<&PackageId, _> =
        metadata.resolve.as_ref().expect("resolved").nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.packages.iter().find(|package| package.name == "cofferdam-launcher").expect("there");
    let mut tree = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut waiting = vec![&start.id];
    let mut seen = BTreeSet::from([&start.id]);
    while let Some(id) = waiting.pop() {
        let uses = tree.entry(metadata[id].name.as_str()).or_default();
        for dependency in &nodes[id].deps {
            let name = metadata[&dependency.pkg].name.as_str();
            let built = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if built && is_switched_on(&metadata[id], nodes[id], name) {
                uses.insert(name);
                if seen.insert(&dependency.pkg) {
                    waiting.push(&dependency.pkg);
                }
            }
        }
    }
    tree
}

/// Whether a dependency is more than an optional one that no feature switches on: cargo lists those too when a
/// feature would change them (`name?/feature`).
fn is_switched_on(package: &Package, node: &Node, name: &str) -> bool {
    let declared = package.dependencies.iter().filter(|dependency| dependency.name == name);
    declared.into_iter().any(|dependency| {
        let key = dependency.rename.as_deref().unwrap_or(name);
        let switches = |entry: &String| {
            entry == key || entry == &format!("dep:{key}") || entry.starts_with(&format!("{key}/"))
        };
        !dependency.optional
            || node.features.iter().any(|feature| {
                feature.as_str() == key
                    || package.features.get(feature.as_str()).is_some_and(|list| list.iter().any(switches))
            })
    })
}
