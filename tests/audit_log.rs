//! The audit log of the real launcher, and what the operator's tool reads in it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use cofferdam_audit::{
    Argument, Denial, Hash, Limit, Log, Reader, Record, Rotation, Verdict, location, verify,
};
use nix::sys::signal::Signal;
use rig::{As, Plan, Rig, binary};

fn log_of(folder: &Path) -> PathBuf {
    location(&folder.join("state"))
}

fn records(folder: &Path) -> Vec<Record> {
    Reader::open(&log_of(folder)).unwrap().map(|entry| entry.unwrap().record).collect()
}

fn hash_of(path: &Path) -> Hash {
    Hash::of(&fs::read(path).unwrap())
}

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).arg("--config").arg(folder.join("cofferdam.toml")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn of<'r>(records: &'r [Record], subject: &str) -> Vec<&'r Record> {
    records.iter().filter(|record| record.subject().is_some_and(|about| about.as_str() == subject)).collect()
}

fn attack(who: As, attempt: &str) -> Plan {
    let settings = format!(
        "[modules]\nrestart = \"never\"\n[modules.module_configs.escape-artist]\nattempt = \"{attempt}\"\nexit = true\n"
    );
    Plan::new(who).module("escape-artist").config(&settings)
}

fn an_attack_stands_in_the_log(who: As) {
    let mut rig = attack(who, "socket-inet-datagram").start();
    rig.wait_for(&["Z escape-artist ", "exited with status 0"]);
    assert!(rig.interrupt().success());
    let folder = rig.path();

    let records = records(folder);
    assert!(
        matches!(&records[0], Record::Start { config_sha256, .. } if *config_sha256 == hash_of(&folder.join("cofferdam.toml")))
    );
    assert!(matches!(records.last(), Some(Record::Stop { reason }) if reason.as_str() == "asked to"));
    let of_module = of(&records, "escape-artist");
    // The rig has granted it: that is told before anything starts by it.
    assert!(
        matches!(of_module[0], Record::Grant { added, removed, .. } if !added.is_empty() && removed.is_empty())
    );
    let Record::Launch {
        manifest_sha256, program_sha256, profile_sha256, layers, granted, signed_by, ..
    } = of_module[1]
    else {
        panic!("{records:#?}");
    };
    let module = folder.join("modules/escape-artist");
    assert_eq!(*manifest_sha256, Some(hash_of(&module.join("module.toml"))));
    assert_eq!(*program_sha256, hash_of(&binary("escape-artist")));
    assert_ne!(*profile_sha256, Hash::ZERO);
    let asked =
        cofferdam_manifest::Manifest::parse("", &fs::read_to_string(module.join("module.toml")).unwrap());
    let asked: Vec<String> = asked.unwrap().capabilities().iter().map(|name| name.to_string()).collect();
    assert_eq!(granted.iter().map(|name| name.as_str()).collect::<Vec<_>>(), asked);
    assert!(signed_by.is_none());
    for layer in ["namespaces user", "seccomp ", "mounts", "caps none"] {
        assert!(layers.iter().any(|found| found.as_str().starts_with(layer)), "{layer}: {layers:?}");
    }
    let denied = |record: &&Record| {
        matches!(record, Record::Denial { what: Denial::Syscall { name, arguments, verdict, .. }, .. }
        if name.as_str() == "socket" && arguments[0] == Argument(2) && *verdict == Verdict::Refused("EAFNOSUPPORT".into()))
    };
    assert!(of_module.iter().any(denied), "{of_module:#?}");
    assert!(matches!(of_module.last(), Some(Record::Exit { end, .. }) if end.as_str() == "exited"));
    // The core is a subject like any other.
    assert!(matches!(of(&records, "core")[0], Record::Launch { manifest_sha256: None, .. }));

    // The head that the launcher printed at its end is that of the file.
    let printed = rig.wait_for(&["Z launcher ", "audit log ends with head "]);
    let head = printed.rsplit(' ').next().unwrap();
    let verified = tool(folder, &["audit-log", "verify", "--head", head]);
    assert!(verified.status.success() && text(&verified.stdout).contains(": whole; "), "{verified:?}");

    a_flipped_byte_is_found(folder);
}

fn a_flipped_byte_is_found(folder: &Path) {
    let path = log_of(folder);
    let whole = fs::read(&path).unwrap();
    for at in [whole.len() / 3, whole.len() / 2, whole.len() - 5] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        let verified = tool(folder, &["audit-log", "verify"]);
        let said = text(&verified.stderr);
        assert!(verified.status.code() == Some(1) && said.contains("log.jsonl:"), "{at}: {said}");
    }
    fs::write(&path, whole).unwrap();
}

#[test]
fn a_launch_its_denials_and_its_end_stand_in_the_log_and_a_flipped_byte_is_found() {
    an_attack_stands_in_the_log(As::Root);
}

#[test]
fn the_same_holds_for_a_launcher_without_rights() {
    an_attack_stands_in_the_log(As::User);
}

#[test]
fn why_names_the_call_the_reason_and_that_there_is_no_switch() {
    let mut rig = attack(As::Root, "trace-other").start();
    rig.wait_for(&["Z escape-artist ", "killed: it called "]);
    assert!(rig.interrupt().success());
    let why = text(&tool(rig.path(), &["why", "escape-artist"]).stdout);
    for part in [
        "the system call ptrace(request=",
        "the program was killed",
        "policies/seccomp/kill.toml",
        "there is no switch",
    ] {
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
}

#[test]
fn a_call_that_the_core_refused_is_explained_with_the_line_that_would_allow_it() {
    let grants = "[modules.grants]\nblock-watch = [\"subscribe_events\"]\n";
    let mut rig = Plan::new(As::Root).module("block-watch").config(grants).start();
    rig.wait_for_nth(&["Z core ", "block-watch: refused get_block: needs read_blockchain"], 1);
    rig::eventually(
        "the refusal is not in the log",
        || {
            of(&records(rig.path()), "block-watch")
                .iter()
                .any(|record| matches!(record, Record::Denial { what: Denial::Api { .. }, .. }))
        },
        || format!("{:#?}", records(rig.path())),
    );
    assert!(rig.interrupt().success());
    let why = text(&tool(rig.path(), &["why", "block-watch", "--last", "1"]).stdout);
    for part in [
        "the call get_block",
        "[modules.grants]",
        "block-watch = [\"subscribe_events\", ",
        "\"read_blockchain\"",
        "the risk",
    ] {
        let part = if part.ends_with(", ") { "block-watch = [" } else { part };
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
}

#[test]
fn a_flood_of_output_and_the_memory_limit_stand_in_the_log() {
    if !rig::root_for("the memory limit of a cgroup") {
        return;
    }
    let mut rig = attack(As::Root, "exhaust-memory").start();
    rig.wait_for(&["Z escape-artist ", "killed: it had used all of its 256 MiB of memory"]);
    assert!(rig.interrupt().success());
    let records = records(rig.path());
    let met = |record: &&Record| {
        matches!(record, Record::Denial { what: Denial::Limit { which: Limit::Memory, .. }, .. })
    };
    assert!(of(&records, "escape-artist").iter().any(met), "{records:#?}");
    let why = text(&tool(rig.path(), &["why", "escape-artist"]).stdout);
    assert!(
        why.contains("[modules.limits.escape-artist]") && why.contains("memory_bytes = 536870912"),
        "{why}"
    );

    let mut rig = Plan::new(As::Root).probe("flood").start();
    rig.wait_for(&["Z probe ", "lines not shown"]);
    assert!(rig.interrupt().success());
    let records = self::records(rig.path());
    let met = |record: &&Record| {
        matches!(record, Record::Denial { what: Denial::Limit { which: Limit::Output, .. }, .. })
    };
    assert!(of(&records, "probe").iter().any(met), "{records:#?}");
}

/// Whenever the launcher dies, the next one goes on with the log, and every line of it holds.
#[test]
fn a_launcher_that_is_killed_at_any_moment_leaves_a_log_that_goes_on_and_verifies() {
    let mut rig: Rig = Plan::new(As::Root).module("tip-log").probe("exit").start();
    let mut last = 0;
    for round in 0..12 {
        rig.wait_for(&["audit log begins with head"]);
        // From the start of the core to modules that crash and start again.
        std::thread::sleep(Duration::from_millis(round * 60));
        rig.signal(Signal::SIGKILL);
        rig.wait();
        let verified = verify(&log_of(rig.path()), None);
        let torn = verified.is_err();
        rig = rig.start_again();
        rig.wait_for(&["audit log begins with head"]);
        let verified = verify(&log_of(rig.path()), None).unwrap();
        assert!(verified.last_seq > last, "round {round}, torn: {torn}");
        last = verified.last_seq;
    }
    assert!(rig.interrupt().success());
    let records = records(rig.path());
    let starts = records.iter().filter(|record| matches!(record, Record::Start { .. })).count();
    let stops = records.iter().filter(|record| matches!(record, Record::Stop { .. })).count();
    assert_eq!((starts, stops), (13, 1), "the killed ones have no end");
}

#[test]
fn a_launcher_whose_log_was_changed_at_its_end_starts_nothing_and_says_what_to_do() {
    let mut rig = Plan::new(As::Root).module("tip-log").start();
    rig.wait_for(&["Z tip-log ", "started: pid "]);
    assert!(rig.interrupt().success());
    let path = log_of(rig.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 80;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut rig = rig.start_again();
    assert!(!rig.wait().success());
    rig.wait_for(&["cofferdam-launcher: ", "log.jsonl:", "move the folder"]);
    assert!(!rig.lines().iter().any(|line| line.contains("started: pid")));
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is lost");
}

/// An installation with a log that says this, without a launcher.
fn written(records: &[Record]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "state_dir = \"state\"\n[modules.grants]\nblock-watch = [\"subscribe_events\"]\n";
    fs::write(folder.path().join("cofferdam.toml"), config).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/block-watch/module.toml");
    fs::create_dir_all(folder.path().join("modules/block-watch")).unwrap();
    fs::copy(source, folder.path().join("modules/block-watch/module.toml")).unwrap();
    let path = log_of(folder.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut log = Log::open(&path, Rotation::default()).unwrap();
    records.iter().for_each(|record| log.append(record).unwrap());
    folder
}

fn denial(what: Denial) -> Record {
    Record::Denial { subject: "block-watch".into(), what }
}

fn api(needs: &str) -> Record {
    denial(Denial::Api { call: "some_call".into(), needs: needs.into() })
}

#[test]
fn why_names_manifest_and_config_where_both_lack_the_capability() {
    let folder = written(&[api("send_transactions")]);
    let why = text(&tool(folder.path(), &["why", "block-watch"]).stdout);
    for part in [
        "module.toml",
        "capabilities = [",
        "\"send_transactions\"]",
        "[modules.grants]",
        "write this, run the command, and start again:",
        "cofferdam grant block-watch --config ",
        "high: what it sends",
    ] {
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
}

#[test]
fn why_names_the_command_that_grants_what_was_withheld() {
    let folder = written(&[api("read_blockchain")]);
    let config = "state_dir = \"state\"\n[signatures]\nunsigned = [\"block-watch\"]\n";
    fs::write(folder.path().join("cofferdam.toml"), config).unwrap();
    fs::write(folder.path().join("modules/block-watch/block-watch"), "a program").unwrap();
    let granted = tool(folder.path(), &["grant", "--yes", "block-watch", "--without", "read_blockchain"]);
    assert!(granted.status.success(), "{granted:?}");
    let why = text(&tool(folder.path(), &["why", "block-watch"]).stdout);
    assert!(why.contains("run this, and start again:") && why.contains(" --with read_blockchain\n"), "{why}");
}

#[test]
fn why_shows_the_last_denials_only_and_json_holds_the_same() {
    let folder = written(&[api("read_utxo"), api("read_mempool"), api("read_network")]);
    let json = text(&tool(folder.path(), &["why", "block-watch", "--last", "2", "--json"]).stdout);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let numbers: Vec<u64> =
        report["denials"].as_array().unwrap().iter().map(|denial| denial["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3]);
    assert!(report["denials"][1]["refused_by"].as_str().unwrap().contains("read_network"));
    let nobody = tool(folder.path(), &["why", "tip-log"]);
    assert!(nobody.status.success() && text(&nobody.stdout).contains("no denial is in the audit log"));
}

#[test]
fn show_prints_one_line_a_record_for_the_module_that_is_asked_for() {
    let other = Record::Exit { subject: "core".into(), end: "stopped".into(), reason: "stopped".into() };
    let folder = written(&[api("read_utxo"), other]);
    let all = text(&tool(folder.path(), &["audit-log", "show"]).stdout);
    assert_eq!(all.lines().count(), 2, "{all}");
    let one = text(&tool(folder.path(), &["audit-log", "show", "--module", "core"]).stdout);
    assert!(one.lines().count() == 1 && one.contains("end: stopped"), "{one}");
    let json = text(&tool(folder.path(), &["audit-log", "show", "--json"]).stdout);
    for line in json.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["record"]["event"].is_string());
    }
}

#[test]
fn a_broken_log_a_missing_one_and_a_wrong_head_have_a_status_and_a_sentence() {
    let folder = written(&[api("read_utxo"), api("read_mempool")]);
    let path = log_of(folder.path());
    let wrong = tool(folder.path(), &["audit-log", "verify", "--head", &"ab".repeat(32)]);
    assert!(wrong.status.code() == Some(1) && text(&wrong.stderr).contains("was made anew"), "{wrong:?}");
    assert_eq!(tool(folder.path(), &["audit-log", "verify", "--head", "x"]).status.code(), Some(2));

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let json = tool(folder.path(), &["audit-log", "verify", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json.status.code(), &report["whole"], &report["line"]), (Some(1), &false.into(), &2.into()));
    let shown = tool(folder.path(), &["audit-log", "show"]);
    assert_eq!(
        (shown.status.code(), text(&shown.stdout).lines().count()),
        (Some(1), 1),
        "what stands before it"
    );

    fs::remove_file(&path).unwrap();
    let missing = tool(folder.path(), &["audit-log", "verify"]);
    assert!(
        missing.status.code() == Some(1) && text(&missing.stderr).contains("no audit log at"),
        "{missing:?}"
    );
}
