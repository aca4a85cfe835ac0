//! What this kernel cannot enforce is an error that names the layer, unless the config waives it; then it is said
//! everywhere, and nothing else is. Which layers those are vm-tests states; elsewhere none may be missing.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::process::{Command, Output};

use rig::{As, Plan, Rig, missing_here};

/// Every layer that is missing in the run of an operator: those of the kernel, and the cgroup where a user has none.
fn missing(who: As) -> Vec<String> {
    let mut missing = missing_here();
    if who == As::User && rig::delegated_cgroup().is_none() {
        missing.push("cgroup".to_owned());
    }
    missing.sort();
    missing
}

fn whoever_runs_this() -> As {
    if rig::is_root() { As::Root } else { As::User }
}

/// Runs the operator's tool on a rig's installation.
fn tool(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).arg("--config").arg(rig.path().join("cofferdam.toml")).output().unwrap()
}

/// What follows `no ` between the commas of a line.
fn named_as_missing(line: &str) -> Vec<String> {
    let listed = line.split_once("allows: ").map_or("", |(_, listed)| listed);
    let mut names: Vec<String> =
        listed.split(", ").filter_map(|item| item.trim().strip_prefix("no ")).map(str::to_owned).collect();
    names.sort();
    names
}

fn the_launcher_says_what_is_missing(who: As) {
    let mut rig = Plan::new(who).probe("").start();
    let line = rig.wait_for(&["Z probe ", "started: pid "]);
    rig.wait_for(&["Z probe ", "connected"]);
    let lines = rig.lines();
    let said = lines.iter().find(|line| line.contains("WEAKENED"));
    let missing = missing(who);
    assert_eq!(said.map(|line| named_as_missing(line)).unwrap_or_default(), missing, "{}", lines.join("\n"));
    assert_eq!(line.contains("NO landlock"), missing.iter().any(|layer| layer == "landlock"), "{line}");
    assert_eq!(line.contains("NO cgroup"), missing.iter().any(|layer| layer == "cgroup"), "{line}");
    assert!(rig.interrupt().success());
}

#[test]
fn the_launcher_says_exactly_what_is_missing() {
    the_launcher_says_what_is_missing(As::Root);
}

#[test]
fn the_launcher_of_an_ordinary_user_says_exactly_what_is_missing() {
    the_launcher_says_what_is_missing(As::User);
}

#[test]
fn without_its_waiver_each_layer_that_is_missing_keeps_everything_from_starting() {
    for layer in missing_here() {
        let mut rig = Plan::new(As::Root).probe("").without_waiver_of(&layer).start();
        assert!(!rig.wait().success(), "{layer}");
        let line = rig.wait_for(&["cofferdam-launcher: ", "cannot be had"]);
        assert!(line.contains(&format!("{layer} cannot be had")), "{line}");
        assert!(line.contains(&format!("allow_missing = [\"{layer}\"]")), "{line}");
        assert!(!rig.lines().iter().any(|line| line.contains("started:")));
    }
    // The control: with all of them it starts.
    let mut rig = Plan::new(As::Root).probe("").start();
    rig.wait_for(&["Z probe ", "connected"]);
    assert!(rig.interrupt().success());
}

#[test]
fn check_and_the_audit_page_name_the_same_layers_as_the_launcher() {
    let who = whoever_runs_this();
    let mut rig = Plan::new(who).probe("").start();
    rig.wait_for(&["Z probe ", "connected"]);
    let check = tool(&rig, &["check"]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success(), "{said}");
    let page = String::from_utf8(tool(&rig, &["audit", "probe"]).stdout).unwrap();
    let weakened = page.split_once("\nWEAKENED BY\n").map_or("", |(_, rest)| rest);
    for layer in ["cgroup", "landlock", "landlock_network", "landlock_scope", "memory_deny_write_execute"] {
        let is_missing = missing(who).iter().any(|name| name == layer);
        let of = |text: &str| {
            text.lines().any(|line| {
                line.split_whitespace()
                    .any(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_') == layer)
            })
        };
        assert_eq!(of(weakened), is_missing, "{layer} on the page:\n{weakened}");
        let is_row = |line: &&str| {
            line.split_whitespace().nth(1).and_then(|word| word.strip_suffix(':')) == Some(layer)
        };
        let row = said.lines().find(is_row);
        let row = row.unwrap_or_else(|| panic!("{layer} is not in:\n{said}"));
        assert_eq!(row.contains("WEAKENED"), is_missing, "{row}");
    }
    assert!(rig.interrupt().success());
}
