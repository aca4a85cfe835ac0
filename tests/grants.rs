//! What runs is what the operator granted: the real launcher, the real modules and the real tool. A module without a
//! grant, with another program, or that asks for more does not start; what asks for less does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod rig;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_audit::{Hash, Reader, Record, location};
use nix::sys::signal::{Signal, kill};
use rig::{As, Plan, Rig, binary};

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).arg("--config").arg(folder.join("cofferdam.toml"));
    command.stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn records(folder: &Path) -> Vec<Record> {
    Reader::open(&location(&folder.join("state"))).unwrap().map(|entry| entry.unwrap().record).collect()
}

fn of(folder: &Path, module: &str) -> Vec<Record> {
    let about = |record: &Record| record.subject().is_some_and(|about| about.as_str() == module);
    records(folder).into_iter().filter(about).collect()
}

fn program(folder: &Path, module: &str) -> PathBuf {
    folder.join("modules").join(module).join(module)
}

/// The program does what it did, and is another.
fn change(folder: &Path, module: &str) {
    fs::OpenOptions::new().append(true).open(program(folder, module)).unwrap().write_all(b"\0").unwrap();
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in:\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn lock(folder: &Path) -> String {
    fs::read_to_string(folder.join("grants.lock")).unwrap()
}

fn started(module: &str) -> [String; 2] {
    [format!("Z {module} "), "started: pid ".to_owned()]
}

fn refused(rig: &Rig, module: &str, why: &str) -> String {
    rig.wait_for(&[&format!("Z {module} "), "error: ", why])
}

fn has_started(rig: &Rig, module: &str) -> bool {
    let texts = started(module);
    rig.lines().iter().any(|line| texts.iter().all(|text| line.contains(text)))
}

#[test]
fn a_module_without_a_grant_does_not_start_until_the_command_that_is_named_is_run_and_others_go_on() {
    let plan = Plan::new(As::Root).module("tip-log").module("fee-watch").granting(&["tip-log"]);
    let mut rig = plan.start();
    let line = refused(&rig, "fee-watch", "is not granted: it has no grant");
    rig.wait_for(&["Z core ", "tip-log: says (info): block 1 "]);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "fee-watch");
    assert!(
        matches!(&log[..], [Record::Exit { end, reason, .. }]
            if end.as_str() == "not_started" && reason.as_str().contains("it has no grant")),
        "{log:#?}"
    );

    let why = said(&tool(rig.path(), &["why", "fee-watch"]));
    assert!(why.contains("it does not start as it is: fee-watch is not granted"), "{why}");
    let check = tool(rig.path(), &["check"]);
    assert!(
        said(&check).contains("MISSING  fee-watch: fee-watch is not granted: it has no grant"),
        "{check:?}"
    );
    let page = said(&tool(rig.path(), &["audit", "fee-watch"]));
    assert!(page.contains("STARTS\n") && page.contains("NOT NOW    fee-watch is not granted"), "{page}");

    let command = line.split_once("grant it: cofferdam ").unwrap().1;
    let mut words = command.split(' ');
    let granted =
        Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(&mut words).arg("--yes").output().unwrap();
    assert!(granted.status.success(), "{granted:?}");
    let mut rig = rig.start_again();
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "fee-watch");
    let told = log.iter().position(|record| matches!(record, Record::Grant { .. })).unwrap();
    let launched = log.iter().position(|record| matches!(record, Record::Launch { .. })).unwrap();
    assert!(told < launched, "{log:#?}");
}

#[test]
fn a_changed_program_does_not_start_until_it_is_granted() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    let before = Hash::of(&fs::read(program(rig.path(), "tip-log")).unwrap());
    change(rig.path(), "tip-log");
    let after = Hash::of(&fs::read(program(rig.path(), "tip-log")).unwrap());

    let mut rig = rig.start_again();
    refused(&rig, "tip-log", "is not granted: its program was changed");
    assert!(rig.interrupt().success());
    assert!(!has_started(&rig, "tip-log"));

    let shown = tool(rig.path(), &["grant", "--show", "tip-log"]);
    assert_eq!(shown.status.code(), Some(1));
    for text in [format!("CHANGED to sha256 {after}"), format!("granted was sha256 {before}")] {
        assert!(said(&shown).contains(&text), "{}", said(&shown));
    }
    assert!(tool(rig.path(), &["grant", "--yes", "tip-log"]).status.success());
    let mut rig = rig.start_again();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "tip-log");
    let changed = |record: &&Record| {
        matches!(record, Record::Grant { added, removed, .. }
            if added[0].as_str() == format!("program {after}") && removed[0].as_str() == format!("program {before}"))
    };
    assert_eq!(log.iter().filter(changed).count(), 1, "{log:#?}");
    let launched = |record: &&Record| matches!(record, Record::Launch { program_sha256, .. } if *program_sha256 == after);
    assert_eq!(log.iter().filter(launched).count(), 1, "{log:#?}");
}

#[test]
fn a_manifest_that_asks_for_more_does_not_start_and_one_that_asks_for_less_does_with_less() {
    let mut rig = Plan::new(As::Root).module("tip-log").module("fee-watch").start();
    rig.started("tip-log", 1);
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    let manifest = |module: &str| rig.path().join("modules").join(module).join("module.toml");
    edit(&manifest("tip-log"), "\"subscribe_events\"", "\"subscribe_events\", \"call_module\"");
    edit(&manifest("fee-watch"), "version = \"", "version = \"1");
    edit(&manifest("fee-watch"), "\"report_metrics\",", "");
    let granted = lock(rig.path());

    let mut rig = rig.start_again();
    refused(&rig, "tip-log", "it asks for what was not granted: call_module");
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    assert_eq!(lock(rig.path()), granted, "less is applied without a word");
    let log = of(rig.path(), "fee-watch");
    let launch = log
        .iter()
        .rev()
        .find_map(|record| if let Record::Launch { granted, .. } = record { Some(granted) } else { None });
    let launch = launch.unwrap();
    assert!(!launch.is_empty() && launch.iter().all(|name| name.as_str() != "report_metrics"), "{launch:?}");
}

#[test]
fn what_the_operator_withholds_is_not_given_to_a_module_that_asks_for_it() {
    let plan = Plan::new(As::Root).module("fee-watch").granting(&[]);
    let mut rig = plan.start();
    refused(&rig, "fee-watch", "it has no grant");
    assert!(rig.interrupt().success());
    let granted = tool(rig.path(), &["grant", "--yes", "fee-watch", "--without", "report_metrics"]);
    assert!(granted.status.success(), "{granted:?}");

    let mut rig = rig.start_again();
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "fee-watch");
    let launches = |record: &&Record| {
        matches!(record, Record::Launch { granted, .. }
            if granted.iter().all(|name| name.as_str() != "report_metrics") && !granted.is_empty())
    };
    assert_eq!(log.iter().filter(launches).count(), 1, "{log:#?}");
    let page = said(&tool(rig.path(), &["audit", "fee-watch"]));
    assert!(page.contains("declared, but withheld by the operator:\n    report_metrics"), "{page}");
    let check = said(&tool(rig.path(), &["check"]));
    assert!(check.contains("withheld   report_metrics"), "{check}");

    // An update does not get by what was withheld.
    change(rig.path(), "fee-watch");
    assert!(tool(rig.path(), &["grant", "--yes"]).status.success());
    assert!(lock(rig.path()).contains("withheld = [\"report_metrics\"]"), "{}", lock(rig.path()));
    assert!(tool(rig.path(), &["grant", "--yes", "fee-watch", "--with", "report_metrics"]).status.success());
    assert!(!lock(rig.path()).contains("withheld = "), "{}", lock(rig.path()));
}

#[test]
fn a_module_whose_grant_is_taken_back_runs_on_and_does_not_start_again() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    let pid = rig.started("tip-log", 1);
    let revoked = tool(rig.path(), &["grant", "--revoke", "--yes", "tip-log"]);
    assert!(revoked.status.success() && rig::is_alive(pid), "{revoked:?}");
    kill(pid, Signal::SIGKILL).unwrap();
    refused(&rig, "tip-log", "it has no grant");
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "tip-log");
    let taken = |record: &Record| matches!(record, Record::Grant { added, removed, .. } if added.is_empty() && !removed.is_empty());
    assert!(log.iter().any(taken), "{log:#?}");
    assert_eq!(log.iter().filter(|record| matches!(record, Record::Launch { .. })).count(), 1, "{log:#?}");
}

/// The file is written by `cofferdam grant` while the launcher runs without rights, in a user namespace of its own.
#[test]
fn a_launcher_without_rights_holds_to_the_grants_too() {
    let plan = Plan::new(As::User).module("tip-log").module("fee-watch").granting(&["tip-log"]);
    let mut rig = plan.start();
    refused(&rig, "fee-watch", "it has no grant");
    let pid = rig.started("tip-log", 1);
    edit(&rig.path().join("grants.lock"), "[modules.tip-log]", "[modules.tip-log-no-more]");
    kill(pid, Signal::SIGKILL).unwrap();
    refused(&rig, "tip-log", "it has no grant");
    assert!(rig.interrupt().success());
}

#[test]
fn a_grant_that_is_narrowed_meanwhile_holds_at_the_next_start_of_the_module() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    let pid = rig.started("tip-log", 1);
    let narrowed = tool(rig.path(), &["grant", "--yes", "tip-log", "--without", "subscribe_events"]);
    assert!(narrowed.status.success(), "{narrowed:?}");
    kill(pid, Signal::SIGKILL).unwrap();
    refused(&rig, "tip-log", "took back a part of its grant");
    assert!(rig.interrupt().success());
    let texts = started("tip-log");
    let starts = rig.lines().into_iter().filter(|line| texts.iter().all(|text| line.contains(text)));
    assert_eq!(starts.count(), 1);
}

/// Another program is put into the place of one that runs: what starts again is what was granted.
#[test]
fn a_program_that_is_replaced_while_it_runs_is_not_what_starts_again() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    let pid = rig.started("tip-log", 1);
    let granted = Hash::of(&fs::read(program(rig.path(), "tip-log")).unwrap());
    fs::remove_file(program(rig.path(), "tip-log")).unwrap();
    fs::copy(binary("escape-artist"), program(rig.path(), "tip-log")).unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    rig.started("tip-log", 2);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "tip-log");
    let program_of = |record: &Record| {
        if let Record::Launch { program_sha256, .. } = record { Some(*program_sha256) } else { None }
    };
    let launched: Vec<_> = log.iter().filter_map(program_of).collect();
    assert_eq!(launched, [granted, granted]);
    // The control: a new launcher reads the file, and refuses it.
    let mut rig = rig.start_again();
    refused(&rig, "tip-log", "its program was changed");
    assert!(rig.interrupt().success());
}

/// Two programs take turns in the place of one, as fast as they can, while launchers start.
#[test]
fn a_swap_between_check_and_exec_never_starts_what_was_not_granted() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    let path = program(rig.path(), "tip-log");
    let granted = Hash::of(&fs::read(&path).unwrap());
    let (good, evil, fresh) =
        (path.with_extension("good"), path.with_extension("evil"), path.with_extension("new"));
    fs::copy(&path, &good).unwrap();
    fs::copy(binary("escape-artist"), &evil).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for source in [&evil, &good] {
                    let _exists = fs::remove_file(&fresh);
                    fs::hard_link(source, &fresh).unwrap();
                    fs::rename(&fresh, &path).unwrap();
                }
            }
        });
        for _ in 0..5 {
            rig = std::mem::replace(&mut rig, Plan::new(As::Root).start()).start_again();
            rig.wait_for(&["Z launcher ", "audit log begins"]);
            rig.wait_for(&["Z core ", "ready"]);
            assert!(rig.interrupt().success());
        }
        done.store(true, Ordering::Relaxed);
    });
    for record in of(rig.path(), "tip-log") {
        if let Record::Launch { program_sha256, .. } = record {
            assert_eq!(program_sha256, granted);
        }
    }
}

#[test]
fn a_lock_file_that_is_broken_or_exposed_starts_nothing_and_is_not_overwritten() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    let path = rig.path().join("grants.lock");
    let good = lock(rig.path());

    for (text, mode, why) in [
        (good.replace("capabilities", "capabilitys"), 0o644, "did you mean `capabilities`?"),
        (good[..good.len() / 2].to_owned(), 0o644, "grants.lock:"),
        (String::new(), 0o644, "the key `format` is missing"),
        (good.clone(), 0o666, "others than its owner may write it"),
    ] {
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        rig = rig.start_again();
        assert!(!rig.wait().success(), "{why}");
        rig.wait_for(&[why]);
        let granted = tool(rig.path(), &["grant", "--yes"]);
        assert!(granted.status.code() == Some(2) && said(&granted).contains(why), "{granted:?}");
        assert_eq!(lock(rig.path()), text);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut rig = rig.start_again();
    rig.started("tip-log", 1);
    // While it runs, too: what cannot be read is no grant, and what runs goes on.
    let pid = rig.started("tip-log", 1);
    fs::write(&path, "format = ").unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    refused(&rig, "tip-log", "until it can be read no module starts");
    assert!(rig.interrupt().success());
}

#[test]
fn a_lock_file_of_another_user_starts_nothing_unless_the_config_is_that_users_too() {
    if !rig::root_for("a lock file of another user is refused") {
        return;
    }
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
    give(rig.path(), "grants.lock");
    let check = tool(rig.path(), &["check"]);
    assert!(said(&check).contains("it belongs to uid 12345"), "{check:?}");
    let mut rig = rig.start_again();
    assert!(!rig.wait().success());
    give(rig.path(), "cofferdam.toml");
    let mut rig = rig.start_again();
    rig.started("tip-log", 1);
    assert!(rig.interrupt().success());
}

fn give(folder: &Path, file: &str) {
    std::os::unix::fs::chown(folder.join(file), Some(rig::USER), None).unwrap();
}

/// Grants are told by the launcher, so that a change by hand stands in the log like any other.
#[test]
fn a_lock_file_that_was_changed_by_hand_is_told_in_the_log() {
    let mut rig = Plan::new(As::Root).module("fee-watch").start();
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    edit(&rig.path().join("grants.lock"), "\"report_metrics\"", "\"report_metrics\", \"call_module\"");
    let mut rig = rig.start_again();
    rig.started("fee-watch", 1);
    assert!(rig.interrupt().success());
    let log = of(rig.path(), "fee-watch");
    let told = |record: &&Record| matches!(record, Record::Grant { added, .. } if added.iter().any(|word| word.as_str() == "capability call_module"));
    assert_eq!(log.iter().filter(told).count(), 1, "{log:#?}");
    let verified = tool(rig.path(), &["audit-log", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
