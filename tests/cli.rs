//! What the operator's tool answers, with the real program. Nothing here needs rights or starts a module.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The status of an error that the text explains.
const WRONG: Option<i32> = Some(1);

const MANIFEST: &str =
    "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\ncapabilities = [\"read_utxo\"]\n";

/// A folder with this config and a module `a` whose program is the tool itself: a program like any other.
fn installation(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cofferdam.toml"), config).unwrap();
    fs::create_dir_all(folder.path().join("modules/a")).unwrap();
    fs::write(folder.path().join("modules/a/module.toml"), MANIFEST).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_cofferdam"), folder.path().join("modules/a/a")).unwrap();
    folder
}

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cofferdam")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_says_what_each_module_gets() {
    let folder = installation("[modules.grants]\na = []\n[modules.limits.a]\nmemory_bytes = 8388608\n");
    let said = text(&tool(folder.path(), &["check"]).stdout);
    for line in ["a 1.0.0", "granted    nothing but to log", "withheld   read_utxo", "memory 8 MiB"] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
}

#[test]
fn check_finds_a_module_whose_program_is_missing() {
    let folder = installation("");
    fs::remove_file(folder.path().join("modules/a/a")).unwrap();
    let output = tool(folder.path(), &["check"]);
    assert_eq!(output.status.code(), WRONG);
    let said = text(&output.stdout);
    assert!(said.contains("MISSING  a: ") && said.contains("fix: build the module"), "{said}");
}

#[test]
fn check_finds_a_program_behind_a_symbolic_link() {
    let folder = installation("");
    let program = folder.path().join("modules/a/a");
    fs::rename(&program, folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../../elsewhere", &program).unwrap();
    let output = tool(folder.path(), &["check"]);
    assert_eq!(output.status.code(), WRONG);
    assert!(text(&output.stdout).contains("is a symbolic link"));
}

#[test]
fn check_names_the_place_of_a_mistake_in_a_manifest_and_fails() {
    let folder = installation("");
    fs::write(folder.path().join("modules/a/module.toml"), "nam = \"a\"\n").unwrap();
    let output = tool(folder.path(), &["check"]);
    assert_eq!(output.status.code(), WRONG);
    let said = text(&output.stdout);
    assert!(said.contains("modules/a/module.toml:1:1: unknown key `nam`; did you mean `name`?"), "{said}");
}

#[test]
fn check_finds_credentials_of_the_node_that_are_missing() {
    let folder = installation(
        "[node]\nbackend = \"bitcoind\"\n[node.bitcoind]\nrpc = \"127.0.0.1:8332\"\nchain = \"main\"\n\
         cookie_file = \"nowhere/.cookie\"\n",
    );
    let output = tool(folder.path(), &["check"]);
    assert_eq!(output.status.code(), WRONG);
    assert!(text(&output.stdout).contains("MISSING  credentials: "));
}

#[test]
fn every_command_that_reads_the_config_names_the_place_of_a_mistake_in_it() {
    let folder = installation("\nstate_dri = \"x\"\n");
    for command in
        [&["run"][..], &["check"], &["audit", "a"], &["audit", "--core", "--config", "cofferdam.toml"]]
    {
        let output = tool(folder.path(), command);
        assert_eq!(output.status.code(), WRONG, "{command:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains("cofferdam.toml:2:1: unknown key `state_dri`; did you mean `state_dir`?"),
            "{said}"
        );
    }
}

#[test]
fn audit_shows_the_grants_and_settings_of_the_config() {
    let config = "[modules.grants]\na = []\n[modules.module_configs.a]\nspeed = 5\n";
    let folder = installation(config);
    let page = text(&tool(folder.path(), &["audit", "a"]).stdout);
    assert!(page.starts_with("MODULE a 1.0.0\n"), "{page}");
    assert!(page.contains("declared, but withheld by the operator:\n    read_utxo"), "{page}");
    assert!(page.contains("MODULE_CONFIG_SPEED=`5`"), "{page}");
}

#[test]
fn audit_shows_what_the_config_accepts_to_be_missing_for_the_core_too() {
    let folder = installation("[sandbox]\nallow_missing = [\"cgroup\"]\n");
    for subject in ["a", "--core"] {
        let page = text(&tool(folder.path(), &["audit", subject]).stdout);
        let weakened = page.split("\nWEAKENED BY\n").nth(1).unwrap();
        assert!(weakened.trim_start().starts_with("cgroup"), "{weakened}");
    }
}

#[test]
fn audit_of_a_module_that_does_not_run_says_why_it_does_not() {
    let folder = installation("");
    fs::write(folder.path().join("modules/a/module.toml"), MANIFEST.replace("1.0.0", "one")).unwrap();
    let output = tool(folder.path(), &["audit", "a"]);
    assert_eq!(output.status.code(), WRONG);
    let said = text(&output.stderr);
    assert!(said.contains("is not a module that runs here") && said.contains("module.toml:2"), "{said}");
}

#[test]
fn audit_of_a_dynamic_program_shows_the_libraries_it_gets() {
    let folder = installation("");
    let page = |more: &[&str]| text(&tool(folder.path(), &[&["audit", "a"], more].concat()).stdout);
    assert!(page(&[]).contains("linked statically") && page(&["--dynamic"]).contains("linked dynamically"));
}

#[test]
fn audit_of_a_script_says_that_it_would_not_run() {
    let folder = installation("");
    fs::write(folder.path().join("modules/a/a"), format!("#!/bin/sh\n{}", "#".repeat(64))).unwrap();
    let output = tool(folder.path(), &["audit", "a"]);
    assert_eq!(output.status.code(), WRONG);
    assert!(text(&output.stderr).contains("modules/a/a: is not an ELF program (it is a script); build"));
}

#[test]
fn audit_as_json_is_json() {
    let folder = installation("");
    let output = tool(folder.path(), &["audit", "--manifest", "modules/a/module.toml", "--json"]);
    let said = text(&output.stdout);
    assert!(said.starts_with("{\n") && said.ends_with("}\n"), "{said}");
}

#[test]
fn audit_tells_the_hash_by_which_the_audit_log_names_the_profile_in_both_forms() {
    let folder = installation("");
    let page = |more: &[&str]| text(&tool(folder.path(), &[&["audit", "a"], more].concat()).stdout);
    let hash = |page: &str| {
        let behind = page.split("sha256 ").nth(1).unwrap();
        behind.chars().take_while(char::is_ascii_hexdigit).collect::<String>()
    };
    let static_one = hash(&page(&[]));
    assert_eq!(static_one.len(), 64);
    let json = page(&["--json"]);
    assert!(json.contains(&format!("\"profile_sha256\": \"{static_one}\"")), "{json}");
    assert_ne!(hash(&page(&["--dynamic"])), static_one, "the control: it is of the profile");
}

#[test]
fn the_config_that_is_printed_is_one_that_is_read() {
    let printed = text(&tool(Path::new("/"), &["config"]).stdout);
    let folder = installation(&printed);
    assert!(text(&tool(folder.path(), &["check"]).stdout).starts_with("cofferdam.toml: valid\n"));
}

#[test]
fn run_without_the_launcher_beside_it_says_where_it_belongs() {
    let folder = installation("");
    let alone = folder.path().join("cofferdam");
    fs::copy(env!("CARGO_BIN_EXE_cofferdam"), &alone).unwrap();
    let output = Command::new(&alone).arg("run").current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), WRONG);
    assert!(text(&output.stderr).contains("cofferdam and cofferdam-launcher belong in one folder"));
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    assert_eq!(tool(Path::new("/"), &["rnu"]).status.code(), Some(2));
}
