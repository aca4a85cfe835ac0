//! `cofferdam audit --verify` on the real kernel: each example module's page is true; and one that is not is found.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with a config and one module of modules/, which an ordinary user owns if he is to run it.
fn installation(module: &str, allowed: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("cofferdam-test-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let inside = folder.path().join("modules").join(module);
    fs::create_dir_all(&inside).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").join(module).join("module.toml");
    fs::copy(manifest, inside.join("module.toml")).unwrap();
    fs::copy(rig::binary(module), inside.join(module)).unwrap();
    let mut missing = rig::missing_here();
    missing.extend(allowed.iter().map(|layer| (*layer).to_owned()));
    let config = format!(
        "state_dir = \"state\"\n[modules]\nmodules_dir = \"modules\"\n[sandbox]\nallow_missing = {missing:?}\n"
    );
    fs::write(folder.path().join("cofferdam.toml"), config).unwrap();
    folder
}

fn cofferdam(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(rig::binary("cofferdam"));
    command.args(arguments).current_dir(folder.path());
    command
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{told}"))
}

#[test]
fn what_a_module_can_really_do_is_what_its_page_says() {
    // A user has no cgroup, which this compares nothing of; and of a quota tests/disk_quota.rs compares.
    let waived: &[&str] = if rig::is_root() { &["disk_quota"] } else { &["cgroup", "disk_quota"] };
    for module in ["tip-log", "fee-watch", "escape-artist"] {
        let output = cofferdam(&installation(module, waived), &["audit", "--verify", "--json", module])
            .output()
            .unwrap();
        let report = report(&output);
        assert_eq!(report["differences"], Value::Array(Vec::new()), "{module}");
        assert!(report["agree"].as_u64().unwrap() > 450, "{module}: {report}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn it_is_so_for_an_ordinary_user_too() {
    let folder = installation("tip-log", &["cgroup"]);
    let mut command = cofferdam(&folder, &["audit", "--verify", "--json", "tip-log"]);
    if rig::is_root() {
        command.uid(rig::USER).gid(rig::USER);
    }
    let output = command.output().unwrap();
    assert_eq!(report(&output)["differences"], Value::Array(Vec::new()));
    assert_eq!(output.status.code(), Some(0));
}

/// What the probe is asked to do for getpid(2) through `int 0x80`; src/launcher/src/examine/inside.rs.
const BY_32_BIT_ENTRY: u64 = u64::MAX - 1;

/// The 32-bit entry has numbers of its own, which a filter for x86-64 would take for others.
#[test]
fn a_call_by_the_32_bit_entry_is_made_unconfined_and_kills_in_the_sandbox() {
    // The control: the same probe, without a sandbox, with a socket as its descriptor 3.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" 3<&0"]).arg(rig::binary("cofferdam-inside"));
    let mut probe = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
    let request: Vec<u8> =
        [BY_32_BIT_ENTRY, 0, 0, 0, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    ours.write_all(&request).unwrap();
    let mut answer = [0; 12];
    ours.read_exact(&mut answer).unwrap();
    let [length, pid] = [&answer[..4], &answer[4..]]
        .map(|part| part.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)));
    assert_eq!((length, pid), (8, u64::from(probe.id())));
    drop(ours);
    assert!(probe.wait().unwrap().success());

    // Anything but a kill is a difference: verify::tests::a_call_that_should_kill_and_does_not_is_found.
    let folder = installation("tip-log", &["cgroup"]);
    let output = cofferdam(&folder, &["audit", "--verify", "--json", "tip-log"]).output().unwrap();
    assert_eq!(report(&output)["differences"], Value::Array(Vec::new()));
}

/// The page of tip-log, changed; and what the verification says of it.
fn against(change: impl FnOnce(&mut Value)) -> (Option<i32>, Vec<String>) {
    let folder = installation("tip-log", &["cgroup"]);
    let page = cofferdam(&folder, &["audit", "--json", "tip-log"]).output().unwrap();
    let mut page: Value = serde_json::from_slice(&page.stdout).unwrap();
    change(&mut page["profile"]);
    fs::write(folder.path().join("page.json"), page.to_string()).unwrap();
    let output = cofferdam(&folder, &["audit", "--verify", "--json", "--page", "page.json", "tip-log"])
        .output()
        .unwrap();
    let report = report(&output);
    let differences = report["differences"].as_array().unwrap();
    let whats = differences.iter().map(|difference| difference["what"].as_str().unwrap().to_owned());
    (output.status.code(), whats.collect())
}

#[test]
fn a_page_that_is_not_changed_is_true() {
    assert_eq!(against(|_| {}), (Some(0), Vec::new()));
}

#[test]
fn a_page_that_claims_too_little_about_mkdir_is_found() {
    let claims_refused = |profile: &mut Value| {
        profile["syscalls"]["rules"].as_object_mut().unwrap().remove("83").expect("mkdir has a rule");
    };
    assert_eq!(against(claims_refused), (Some(1), vec!["mkdir".to_owned()]));
}

#[test]
fn a_page_that_claims_too_much_about_mount_is_found() {
    let claims_allowed = |profile: &mut Value| {
        let allowed = profile["syscalls"]["rules"]["0"].clone();
        profile["syscalls"]["rules"]["165"] = allowed;
    };
    assert_eq!(against(claims_allowed), (Some(1), vec!["mount".to_owned()]));
}

#[test]
fn a_page_with_one_descriptor_less_and_a_lower_limit_is_found() {
    let claims_less = |profile: &mut Value| {
        profile["descriptors"].as_array_mut().unwrap().remove(2);
        let limits = profile["rlimits"].as_array_mut().unwrap();
        let files = limits.iter_mut().find(|limit| limit["resource"] == "NOFILE").unwrap();
        files["value"] = Value::from(1);
    };
    let (status, found) = against(claims_less);
    assert_eq!(
        (status, found),
        (Some(1), vec!["descriptor 2".to_owned(), "limit Max open files".to_owned()])
    );
}

#[test]
fn a_verification_leaves_nothing_behind() {
    let folder = installation("tip-log", &["cgroup"]);
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = cofferdam(&folder, &["audit", "--verify", "tip-log"]);
    let output = command.env("TMPDIR", temporary.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    assert!(!folder.path().join("data").exists() && !folder.path().join("state").exists());
}

#[test]
fn a_module_that_is_not_there_is_an_error_that_names_it() {
    let folder = installation("tip-log", &[]);
    let output = cofferdam(&folder, &["audit", "--verify", "other"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("other"));
}
