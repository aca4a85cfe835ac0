//! The pages in policies/derived are what `cofferdam audit` prints today, and the README shows what is there.
//!
//! A change of a policy, a manifest, a call or a reason shows as a change of these pages, which a reviewer
//! reads before the code. It never runs a module.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_cli::{Subject, page};
use cofferdam_config::Config;
use cofferdam_installation::manifest_at;

/// Rewrites the pages.
const REWRITE: &str = "UPDATE_EXPECT=1 cargo test --test pages";

/// A node to connect to: two ports, as an operator would set them.
const WITH_NODE: &str = r#"
[node]
backend = "bitcoind"
[node.bitcoind]
rpc = "127.0.0.1:8332"
zmq = "tcp://127.0.0.1:28332"
cookie_file = "/path/to/.cookie"
chain = "main"
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn derived() -> PathBuf {
    root().join("policies/derived")
}

/// Every page that there should be, by its file's name.
fn pages() -> BTreeMap<String, String> {
    let config = |text| Config::parse("sample", text).unwrap();
    let mut pages = BTreeMap::from([
        ("core.txt".to_owned(), page(Subject::Core(&config("")))),
        ("core-bitcoind.txt".to_owned(), page(Subject::Core(&config(WITH_NODE)))),
    ]);
    for entry in fs::read_dir(root().join("modules")).unwrap() {
        let manifest = manifest_at(&entry.unwrap().path().join("module.toml")).unwrap();
        pages.insert(format!("{}.txt", manifest.name()), page(Subject::Module(&manifest)));
    }
    pages
}

/// What is wrong with the files in `folder`: stale, missing, or of a module that is gone.
fn differences(folder: &Path, pages: &BTreeMap<String, String>) -> Vec<String> {
    let mut found: Vec<String> = pages
        .iter()
        .filter(|(name, page)| fs::read_to_string(folder.join(name)).ok().as_ref() != Some(*page))
        .map(|(name, _)| format!("stale: {name}"))
        .collect();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !pages.contains_key(&name) {
            found.push(format!("of nothing that exists: {name}"));
        }
    }
    found
}

#[test]
fn the_derived_pages_are_those_of_the_policies_and_manifests_as_they_are() {
    let pages = pages();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let _first_time = fs::remove_dir_all(derived());
        fs::create_dir_all(derived()).unwrap();
        pages.iter().for_each(|(name, page)| fs::write(derived().join(name), page).unwrap());
    }
    let found = differences(&derived(), &pages);
    assert_eq!(found, Vec::<String>::new(), "rewrite policies/derived with `{REWRITE}` and read the diff");
}

#[test]
fn a_stale_a_missing_and_a_superfluous_page_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "old").unwrap();
    fs::write(folder.path().join("c.txt"), "c").unwrap();
    let pages = ["a.txt", "b.txt"].map(|name| (name.to_owned(), "new".to_owned())).into();
    let expected = ["stale: a.txt", "stale: b.txt", "of nothing that exists: c.txt"];
    assert_eq!(differences(folder.path(), &pages), expected);
}

#[test]
fn a_page_differs_where_the_core_has_a_node_to_connect_to() {
    let pages = pages();
    assert!(pages["core-bitcoind.txt"].contains("connect to port 8332, 28332"));
    assert!(!pages["core.txt"].contains("connect to port"));
}

/// The module that the README shows.
const SHOWN: &str = "modules/tip-log/src/main.rs";

#[test]
fn the_readme_shows_the_smallest_module_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let module = fs::read_to_string(root().join(SHOWN)).unwrap();
    assert!(readme.contains(&format!("```rust\n{module}```\n")), "copy {SHOWN} into README.md");
    assert!(module.lines().count() < 40, "the README says that it has fewer than 40 lines");
}

#[test]
fn the_readme_shows_the_smallest_manifest_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let manifest = fs::read_to_string(root().join("modules/tip-log/module.toml")).unwrap();
    assert!(
        readme.contains(&format!("```toml\n{manifest}```\n")),
        "copy modules/tip-log/module.toml into README.md"
    );
}
