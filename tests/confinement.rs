//! The hostile module tries to leave. Each attempt is a pair: its control succeeds unconfined, and confined it meets
//! exactly what its table says: this error, this kill, or nothing to be found. Real binaries, real filter, real kernel.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rig::{As, Plan, binary, eventually};

/// What `escape-artist --list` says an attempt meets when it is confined, on this kernel.
fn expectations() -> BTreeMap<String, String> {
    let missing = rig::missing_here().join(",");
    let output =
        Command::new(binary("escape-artist")).args(["--list", "--without", &missing]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        (cells[0].to_owned(), cells[2].to_owned())
    });
    let rows: BTreeMap<_, _> = rows.collect();
    assert!(rows.len() > 200, "{} attempts", rows.len());
    rows
}

fn is_lethal(expected: &str) -> bool {
    matches!(expected, "killed" | "out-of-memory" | "disconnected")
}

/// What the attempts of a report met: an error's name, `nothing`, `succeeded`, or `started` for one that never came back.
fn report(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("data/modules/escape-artist/report.tsv")).unwrap_or_default();
    let mut met = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('\t').collect();
        let outcome = match cells.as_slice() {
            [_, "errno" | "api", name, ..] => name,
            [_, kind, ..] => kind,
            other => panic!("{other:?}"),
        };
        met.insert(cells[0].to_owned(), (*outcome).to_owned());
    }
    met
}

/// An installation with the hostile module, something of the operator's to steal, and another module to rob.
fn attack(who: As, settings: &str) -> Plan {
    let plan = Plan::new(who).module("block-watch").module("escape-artist");
    let secret = plan.path().join("operator-secret");
    fs::write(&secret, "the operator's").unwrap();
    let other = plan.path().join("data/modules/block-watch");
    let missing = rig::missing_here().join(",");
    let config = format!(
        "[modules]\nrestart = \"never\"\n[modules.module_configs.escape-artist]\noperator_file = {secret:?}\n\
         other_data = {other:?}\nmissing = {missing:?}\n{settings}"
    );
    plan.config(&config)
}

/// Every text in backquotes in a row of the second half: the names of attempts are the rows' last cells.
#[test]
fn the_page_of_past_escapes_names_only_attempts_that_exist() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/past-escapes.md")).unwrap();
    let expectations = expectations();
    let (own, others) = page.split_once("## Escapes of others").unwrap();
    let of_own = own.split("attempt `").skip(1).map(|rest| rest.split('`').next().unwrap());
    let rows = others.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| known as"));
    let mut named: Vec<&str> = of_own.collect();
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(last.contains('`') || last.starts_with("none"), "{row}");
        named.extend(last.split('`').skip(1).step_by(2));
    }
    assert!(named.len() > 80, "{}", named.len());
    let unknown: Vec<_> = named.into_iter().filter(|name| !expectations.contains_key(*name)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

/// What a control needs of the machine is looked for without it: one that fails though it is there fails the test, and
/// so does one that succeeds without.
#[test]
fn every_attempt_succeeds_unconfined() {
    if !rig::root_for("the controls succeed unconfined") {
        return;
    }
    let output = Command::new(binary("escape-artist")).arg("--unconfined").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut failures = Vec::new();
    for line in text.lines() {
        match line.split('\t').nth(1).unwrap() {
            "succeeded" | "within" => {}
            "unavailable" => println!("SKIPPED: the control of {line}"),
            _ => failures.push(line),
        }
    }
    assert!(failures.is_empty(), "these controls do not succeed:\n{}", failures.join("\n"));
    assert_eq!(text.lines().count(), expectations().len(), "{text}");
}

#[test]
fn every_attempt_of_a_module_of_roots_launcher_meets_exactly_what_is_expected() {
    if !rig::root_for("what a module of root's launcher meets") {
        return;
    }
    let met = met_by_all(As::Root);
    for (name, expected) in expectations().into_iter().filter(|(_, expected)| !is_lethal(expected)) {
        assert_eq!(met.get(&name), Some(&in_report(&expected)), "{name}");
    }
}

/// Its config allows the cgroup to be missing; the task limit is a resource limit too.
#[test]
fn every_attempt_of_a_module_of_an_ordinary_users_launcher_meets_the_same() {
    let met = met_by_all(As::User);
    for (name, expected) in expectations().into_iter().filter(|(_, expected)| !is_lethal(expected)) {
        assert_eq!(met.get(&name), Some(&in_report(&expected)), "{name}");
    }
}

/// `contained` is an act that succeeds and harms nobody: the launcher limits the log.
fn in_report(expected: &str) -> String {
    if expected == "contained" { "succeeded".to_owned() } else { expected.to_owned() }
}

/// Lets it make every attempt that it survives; the first that it does not ends it.
fn met_by_all(who: As) -> BTreeMap<String, String> {
    let mut rig = attack(who, "").start();
    let module = rig.started("escape-artist", 1);
    eventually("it still runs", || !rig::is_alive(module), || rig.lines().join("\n"));
    let met = report(rig.path());
    assert!(rig.interrupt().success());
    rig.assert_nothing_is_left(&[module]);
    let lines = rig.lines();
    assert!(!lines.iter().any(|line| line.contains("ESCAPED")), "{}", lines.join("\n"));
    met
}

/// Attempts that end the module, each in a Cofferdam of its own, some at a time.
fn each_ends_it(how: &str, check: impl Fn(&rig::Rig) + Sync) -> usize {
    const AT_A_TIME: usize = 8;
    let expectations = expectations();
    let names: Vec<_> = expectations.iter().filter(|(_, expected)| *expected == how).collect();
    for some in names.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            for (name, _) in some {
                let check = &check;
                scope.spawn(move || {
                    let settings = "[modules]\nrestart = \"never\"\n[modules.module_configs.escape-artist]\n";
                    let only = format!("{settings}attempt = \"{name}\"\n");
                    let mut rig = Plan::new(As::Root).module("escape-artist").config(&only).start();
                    let module = rig.started("escape-artist", 1);
                    check(&rig);
                    eventually("it still runs", || !rig::is_alive(module), || rig.lines().join("\n"));
                    let met = report(rig.path()).get(*name).cloned();
                    // It may have ended before it could write what it met.
                    assert!(
                        met.as_deref() == Some("started") || met.as_deref() == Some(how),
                        "{name}: {met:?}"
                    );
                    assert!(rig.interrupt().success());
                    rig.assert_nothing_is_left(&[module]);
                });
            }
        });
    }
    names.len()
}

#[test]
fn every_system_call_that_no_module_makes_by_accident_kills_it_and_the_log_names_it() {
    let killed = each_ends_it("killed", |rig| {
        rig.wait_for(&["Z escape-artist ", "killed: it called "]);
    });
    assert!(killed > 50, "{killed}");
}

#[test]
fn every_breach_of_the_protocol_ends_the_session_and_the_log_names_the_module() {
    let ended = each_ends_it("disconnected", |rig| {
        rig.wait_for(&["Z core ", "escape-artist: "]);
    });
    assert!(ended >= 5, "{ended}");
}

#[test]
fn a_module_that_uses_more_memory_than_it_may_is_killed_and_the_log_says_why() {
    if !rig::root_for("the memory limit of a cgroup") {
        return;
    }
    let mut rig = attack(As::Root, "attempt = \"exhaust-memory\"\n").start();
    rig.wait_for(&["Z escape-artist ", "killed: it had used all of its 256 MiB of memory"]);
    assert_eq!(report(rig.path()).get("exhaust-memory").map(String::as_str), Some("started"));
    assert!(rig.interrupt().success());
}

#[test]
fn an_operator_may_set_limits_and_they_hold() {
    let limits = "[modules.limits.escape-artist]\ntasks = 120\n";
    let mut rig = attack(As::Root, &format!("attempt = \"exhaust-tasks\"\n{limits}")).start();
    rig.started("escape-artist", 1);
    eventually(
        "no report",
        || report(rig.path()).get("exhaust-tasks").is_some_and(|met| met != "started"),
        || rig.lines().join("\n"),
    );
    // The control of the limit: 100 threads fit into 120 tasks, and not into the 64 of the default.
    assert_eq!(report(rig.path()).get("exhaust-tasks").map(String::as_str), Some("succeeded"));
    assert!(rig.interrupt().success());
}
