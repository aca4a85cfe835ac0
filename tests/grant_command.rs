//! What `cofferdam grant` shows, asks and writes, with the real program. Nothing here needs rights or starts a module.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says so")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cofferdam_audit::Hash;
use nix::mount::{MsFlags, mount};
use nix::pty::openpty;
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

const MANIFEST: &str = "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\n\
                        capabilities = [\"read_utxo\", \"publish_events\"]\npublish_events = [\"PaymentSettled\"]\n";

/// A folder with a module `a`, which may be unsigned, and no grant.
fn installation() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cofferdam.toml"), "[signatures]\nunsigned = [\"a\"]\n").unwrap();
    fs::create_dir_all(folder.path().join("modules/a")).unwrap();
    fs::write(manifest(folder.path()), MANIFEST).unwrap();
    fs::write(program(folder.path()), "the first program").unwrap();
    folder
}

fn manifest(folder: &Path) -> PathBuf {
    folder.join("modules/a/module.toml")
}

fn program(folder: &Path) -> PathBuf {
    folder.join("modules/a/a")
}

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn granted(folder: &Path, arguments: &[&str]) -> String {
    let arguments = [&["grant", "--yes"], arguments].concat();
    let output = tool(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    lock(folder)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn lock(folder: &Path) -> String {
    fs::read_to_string(folder.join("grants.lock")).unwrap()
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_granted() {
    let folder = installation();
    for arguments in [&["grant"][..], &["grant", "a"], &["grant", "--revoke", "a"]] {
        let output = tool(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains("there is no terminal to ask at"), "{output:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no file was made");
}

#[test]
fn show_tells_scripts_by_its_status_whether_something_needs_a_grant() {
    let folder = installation();
    let json = tool(folder.path(), &["grant", "--show", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["modules"][0]["module"], "a");
    assert_eq!(report["modules"][0]["needs"], "it has no grant");
    assert_eq!(report["modules"][0]["changes"][0]["direction"], "more");
    let first = granted(folder.path(), &[]);
    let again = tool(folder.path(), &["grant", "--show"]);
    assert_eq!(
        (again.status.code(), said(&again).as_str()),
        (Some(0), "grant: nothing differs from what is granted\n")
    );

    // Less is no reason to ask, and is told.
    fs::write(manifest(folder.path()), MANIFEST.replace("\"read_utxo\", ", "")).unwrap();
    let less = tool(folder.path(), &["grant", "--show"]);
    assert_eq!(less.status.code(), Some(0));
    assert!(
        said(&less).contains("COULD DO BEFORE, AND MAY NOT NOW\n  ask of the core\n    read_utxo"),
        "{less:?}"
    );
    assert_eq!(lock(folder.path()), first);
}

#[test]
fn what_is_withheld_stays_withheld_until_it_is_named() {
    let folder = installation();
    let path = folder.path();
    let narrowed = granted(path, &["a", "--without", "read_utxo", "--without", "PaymentSettled"]);
    for line in [
        "capabilities = [\"publish_events\"]\n",
        "withheld = [\"read_utxo\"]\n",
        "withheld_events = [\"PaymentSettled\"]\n",
    ] {
        assert!(narrowed.contains(line), "{narrowed}");
    }
    fs::write(program(path), "the second program").unwrap();
    assert!(granted(path, &[]).contains("withheld = [\"read_utxo\"]\n"));
    assert_eq!(tool(path, &["grant", "--show"]).status.code(), Some(0), "to ask for it again is nothing new");
    // A version that does not ask for it, and one that does again: the next version does not get by it.
    fs::write(manifest(path), MANIFEST.replace("\"read_utxo\", ", "")).unwrap();
    fs::write(program(path), "the third program").unwrap();
    assert!(granted(path, &[]).contains("withheld = [\"read_utxo\"]\n"), "{}", lock(path));
    fs::write(manifest(path), MANIFEST).unwrap();
    fs::write(program(path), "the fourth program").unwrap();
    assert!(granted(path, &[]).contains("withheld = [\"read_utxo\"]\n"), "{}", lock(path));
    let widened = granted(path, &["a", "--with", "read_utxo", "--with", "PaymentSettled"]);
    assert!(widened.contains("\"read_utxo\"") && !widened.contains("withheld = "), "{widened}");
}

#[test]
fn what_is_taken_back_is_gone_also_of_a_module_that_is_not_installed_any_more() {
    let folder = installation();
    assert!(granted(folder.path(), &[]).contains("[modules.a]"));
    fs::remove_dir_all(folder.path().join("modules/a")).unwrap();
    assert!(!granted(folder.path(), &["--revoke", "a"]).contains("[modules.a]"));
}

#[test]
fn a_wrong_name_is_an_error_that_changes_nothing() {
    let folder = installation();
    let before = granted(folder.path(), &[]);
    fs::write(program(folder.path()), "the second program").unwrap();
    for arguments in [
        &["nobody"][..],
        &["a", "--without", "call_module"],
        &["a", "--without", "read_utxos"],
        &["a", "--without", "PaymentSettle"],
        &["a", "--with", "read_utxo", "--without", "read_utxo"],
        &["--revoke", "nobody"],
        &["--revoke", "a", "--json"],
    ] {
        let output = tool(folder.path(), &[&["grant", "--yes"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert_eq!(lock(folder.path()), before);
    }
}

#[test]
fn a_lock_file_that_cannot_be_read_is_not_overwritten() {
    let folder = installation();
    granted(folder.path(), &[]);
    fs::write(folder.path().join("grants.lock"), "format = 1\nmodule = 3\n").unwrap();
    for arguments in [&["grant", "--yes"][..], &["grant", "--yes", "--revoke", "a"], &["grant", "--show"]] {
        let output = tool(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).contains("grants.lock:2:1: unknown key `module`; did you mean `modules`?"),
            "{output:?}"
        );
    }
    assert_eq!(lock(folder.path()), "format = 1\nmodule = 3\n");
}

/// `cofferdam grant` at a terminal: what it shows, then what is done meanwhile, then the answer. Gives its status.
fn asked_at_a_terminal(folder: &Path, meanwhile: impl FnOnce(), answer: &str) -> (String, Option<i32>) {
    let pty = openpty(None, None).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(["grant", "a"]).current_dir(folder);
    command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut terminal = fs::File::from(pty.master);
    let (mut shown, mut buffer) = (Vec::new(), [0_u8; 4096]);
    while !String::from_utf8_lossy(&shown).contains("[y/n] ") {
        let count = terminal.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..count]);
    }
    meanwhile();
    terminal.write_all(answer.as_bytes()).unwrap();
    // Until it ends: then the terminal has no other side (EIO).
    while terminal.read(&mut buffer).is_ok_and(|count| count > 0) {}
    (String::from_utf8(shown).unwrap(), child.wait().unwrap().code())
}

#[test]
fn only_yes_is_a_yes() {
    let folder = installation();
    for no in ["n\n", "\n", "\u{4}", "ye\n", "yes!\n", "Y\n"] {
        assert_eq!(asked_at_a_terminal(folder.path(), || {}, no).1, Some(1), "{no:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{no:?}: no file is left");
    }
    let (shown, status) = asked_at_a_terminal(folder.path(), || {}, "yes\n");
    assert_eq!(status, Some(0));
    assert!(shown.contains("MAY DO NOW, AND COULD NOT BEFORE") && shown.contains("read_utxo"), "{shown}");
    assert!(lock(folder.path()).contains("[modules.a]"));
}

#[test]
fn what_was_shown_is_what_is_granted_whatever_happens_to_the_files_meanwhile() {
    let folder = installation();
    let change = || {
        fs::write(program(folder.path()), "the second program").unwrap();
        fs::write(manifest(folder.path()), MANIFEST.replace("read_utxo", "call_module")).unwrap();
    };
    let (shown, status) = asked_at_a_terminal(folder.path(), change, "y\n");
    assert_eq!(status, Some(0));
    for hash in [Hash::of(b"the first program"), Hash::of(MANIFEST.as_bytes())] {
        assert!(
            shown.contains(&hash.to_string()) && lock(folder.path()).contains(&hash.to_string()),
            "{shown}"
        );
    }
    assert!(!lock(folder.path()).contains("call_module"));
    assert_eq!(
        tool(folder.path(), &["grant", "--show"]).status.code(),
        Some(1),
        "what lies there now is not granted"
    );
}

#[test]
fn two_commands_do_not_change_the_file_at_once() {
    let folder = installation();
    let other = || {
        let output = tool(folder.path(), &["grant", "--yes"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("another cofferdam changes "), "{output:?}");
    };
    assert_eq!(asked_at_a_terminal(folder.path(), other, "yes\n").1, Some(0));
}

/// A disk of 64 KiB, which only this test sees.
#[test]
fn on_a_full_disk_the_grants_are_as_they_were_and_nothing_is_left() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: only root mounts a disk that can be filled");
        assert_ne!(std::env::var("REQUIRE_KERNEL").as_deref(), Ok("1"), "not run as root");
        return;
    }
    let folder = installation();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), &disk, Some("tmpfs"), MsFlags::empty(), Some("size=64k,mode=755")).unwrap();
    let config = folder.path().join("cofferdam.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("grants_file = \"disk/grants.lock\"\n{text}")).unwrap();
    assert!(tool(folder.path(), &["grant", "--yes"]).status.success(), "the control");
    let before = fs::read_to_string(disk.join("grants.lock")).unwrap();

    fs::write(program(folder.path()), "the second program").unwrap();
    assert!(fs::write(disk.join("fill"), vec![0; 128 * 1024]).is_err());
    let full = tool(folder.path(), &["grant", "--yes"]);
    assert_eq!(full.status.code(), Some(2));
    assert!(
        said(&full).contains("No space left on device") && said(&full).contains("as they were"),
        "{full:?}"
    );
    assert_eq!(fs::read_to_string(disk.join("grants.lock")).unwrap(), before);
    assert!(!disk.join("grants.lock.new").exists());

    fs::remove_file(disk.join("fill")).unwrap();
    assert!(tool(folder.path(), &["grant", "--yes"]).status.success());
    assert_ne!(fs::read_to_string(disk.join("grants.lock")).unwrap(), before);
}
