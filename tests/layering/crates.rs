//! Which crate of the workspace may depend on which. Change the table first, in a commit of its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::sources;

/// For each crate those it may depend on. What is not here may depend on none; every module, those of tests and
/// benchmarks too, on the SDK alone.
const TABLE: &[(&str, &[&str])] = &[
    ("document", &[]),
    ("hash", &[]),
    ("signature", &["hash"]),
    ("grants", &["document", "manifest", "signature"]),
    ("manifest", &["document"]),
    // To check the keys of the config where they stand.
    ("config", &["document", "manifest", "signature"]),
    ("control", &["manifest"]),
    ("policy", &["document", "manifest"]),
    ("installation", &["config", "document", "grants", "manifest", "policy", "signature"]),
    ("audit", &["hash"]),
    (
        "launcher",
        &["audit", "config", "control", "grants", "installation", "manifest", "policy", "signature"],
    ),
    ("protocol", &["manifest"]),
    ("sdk", &["manifest", "protocol"]),
    ("log", &["control"]),
    ("node", &["log"]),
    ("storage", &[]),
    ("files", &[]),
    ("metrics", &[]),
    ("rpc", &["log", "manifest"]),
    (
        "host",
        &["control", "files", "log", "manifest", "metrics", "node", "policy", "protocol", "rpc", "storage"],
    ),
    (
        "cli",
        &["audit", "config", "grants", "host", "installation", "manifest", "policy", "protocol", "signature"],
    ),
    // Nothing links it. It is made to reach every reader of hostile bytes, so it depends on all crates that have one.
    (
        "fuzz-targets",
        &[
            "audit",
            "config",
            "control",
            "document",
            "files",
            "grants",
            "host",
            "installation",
            "log",
            "manifest",
            "metrics",
            "node",
            "policy",
            "protocol",
            "rpc",
            "signature",
        ],
    ),
    // The launcher as the tests of programs that nobody here wrote start it: with a policy of their own.
    ("checkers", &["launcher", "policy"]),
    // The root package: its two programs. Neither may link what belongs to the other; see below.
    ("", &["cli", "launcher"]),
];

/// What cargo knows of the workspace, for the platform that the workspace is built for.
pub(crate) static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let options = ["--locked", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"];
    MetadataCommand::new()
        .manifest_path(sources::root().join("Cargo.toml"))
        .other_options(options.map(str::to_owned))
        .exec()
        .expect("cargo metadata; is Cargo.lock up to date?")
});

/// The manifests of all crates, by their paths in the workspace.
pub(crate) fn manifests() -> Vec<String> {
    let of = |package: &&Package| {
        package.manifest_path.strip_prefix(sources::root()).expect("lies in the workspace").to_string()
    };
    METADATA.workspace_packages().iter().map(of).collect()
}

/// A crate's name as the table has it.
fn short(name: &str) -> &str {
    if name == "cofferdam" { "" } else { name.strip_prefix("cofferdam-").unwrap_or(name) }
}

/// What a crate may depend on.
fn allowed(name: &str, is_module: bool) -> Vec<&'static str> {
    let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
    if is_module { vec!["sdk"] } else { table.get(name).copied().unwrap_or_default().to_vec() }
}

/// The crates that a crate depends on and must not.
fn wrong<'d>(name: &str, is_module: bool, dependencies: impl Iterator<Item = &'d str>) -> Vec<String> {
    let allowed = allowed(name, is_module);
    dependencies
        .filter(|dependency| !allowed.contains(dependency))
        .map(|dependency| format!("{name} -> {dependency}"))
        .collect()
}

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let packages = METADATA.workspace_packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in &packages {
        let path = package.manifest_path.strip_prefix(sources::root()).unwrap();
        let is_module = !["src", "fuzz", "vm-tests"].iter().any(|folder| path.starts_with(folder))
            && path != "Cargo.toml";
        let dependencies = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .filter(|dependency| ours.contains(&dependency.name.as_str()))
            .map(|dependency| short(&dependency.name));
        found.extend(wrong(short(&package.name), is_module, dependencies));
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn not_even_tests_bring_the_launcher_and_the_host_together() {
    for (one, other) in [("cofferdam-host", "cofferdam-launcher"), ("cofferdam-launcher", "cofferdam-host")] {
        let packages = METADATA.workspace_packages();
        let package = packages.iter().find(|package| package.name == one).expect("is in the workspace");
        assert!(package.dependencies.iter().all(|dependency| dependency.name != other), "{one} -> {other}");
    }
}

#[test]
fn every_crate_of_the_table_is_in_the_workspace() {
    let packages = METADATA.workspace_packages();
    let ours: Vec<&str> = packages.iter().map(|package| short(&package.name)).collect();
    for (name, _) in TABLE {
        assert!(ours.contains(name), "{name}");
    }
}

#[test]
fn each_program_names_only_its_own_crate() {
    for (program, foreign) in [("cofferdam", "cofferdam_launcher"), ("cofferdam-launcher", "cofferdam_cli")] {
        let path = format!("src/bin/{program}.rs");
        let sources = sources::all();
        let source = sources.iter().find(|source| source.path == path).expect("the program is there");
        assert!(!sources::words(source.tokens()).contains(&foreign.to_owned()), "{path} links {foreign}");
    }
}

#[test]
fn a_dependency_against_the_table_is_found() {
    assert_eq!(wrong("host", false, ["control", "launcher"].into_iter()), ["host -> launcher"]);
    assert_eq!(wrong("tip-log", true, ["sdk", "protocol"].into_iter()), ["tip-log -> protocol"]);
    assert_eq!(wrong("new", false, ["document"].into_iter()), ["new -> document"]);
}
