//! Whose the launcher's directories and files are, and who else may use them: nobody but the core, where a module asks
//! it for files. Whatever mode or group an operator, a backup or an older version has left there.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rig::{As, Plan};

/// Users of the host may be members of it; no module and no core is.
const SOMEBODYS_GROUP: u32 = 100;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_data_directory_is_opened_to_its_own_group_and_never_to_the_one_it_had() {
    if !rig::root_for("a data directory has a group of its own") {
        return;
    }
    for (capability, expected) in [("subscribe_events", 0o700), ("read_filesystem", 0o2770)] {
        let plan = Plan::new(As::Root).probe("idle").manifest(
            "probe",
            "capabilities = [\"subscribe_events\"]",
            &format!("capabilities = [\"{capability}\"]"),
        );
        let mut rig = plan.start();
        rig.started("probe", 1);
        let directory = rig.path().join("data/modules/probe");
        assert_eq!(mode(&directory), expected);
        assert!(rig.interrupt().success());
        let own = fs::metadata(&directory).unwrap().uid();
        chown(&directory, None, Some(SOMEBODYS_GROUP)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();

        let mut rig = rig.start_again();
        rig.started("probe", 1);
        assert_eq!((fs::metadata(&directory).unwrap().gid(), mode(&directory)), (own, expected));
        assert!(rig.interrupt().success());
    }
}

/// The probe that makes a file in its data directory, with and without what it needs for that.
fn writer(who: As, capability: &str) -> Plan {
    let capabilities = format!("capabilities = [\"{capability}\"]");
    Plan::new(who).probe("lock").manifest("probe", "capabilities = [\"subscribe_events\"]", &capabilities)
}

#[test]
fn a_module_writes_in_its_data_directory_if_and_only_if_it_may() {
    for who in [As::Root, As::User] {
        for (capability, met) in [
            ("write_filesystem", "locked Ok(())"),
            ("manage_filesystem", "locked Err(ReadOnlyFilesystem)"),
            ("subscribe_events", "locked Err(ReadOnlyFilesystem)"),
        ] {
            let mut rig = writer(who, capability).start();
            let line = rig.wait_for(&["Z probe ", "started: "]);
            assert_eq!(line.contains("; writes no files; "), capability != "write_filesystem", "{line}");
            rig.wait_for(&["Z probe ", met]);
            assert!(rig.interrupt().success());
        }
    }
}

#[test]
fn a_module_that_may_write_files_is_refused_where_nothing_limits_them_unless_the_config_allows_it() {
    for who in [As::Root, As::User] {
        let mut rig = writer(who, "write_filesystem").module("tip-log").with_quotas().start();
        let line = rig.wait_for(&["Z probe ", "error: disk_quota cannot be had"]);
        assert!(
            line.contains("allow_missing = [\"disk_quota\"]") && line.contains("write_filesystem"),
            "{line}"
        );
        // It keeps only itself from running.
        rig.wait_for(&["Z tip-log ", "started: "]);
        assert!(!rig.lines().iter().any(|line| line.contains("Z probe ") && line.contains("started: ")));
        assert!(rig.interrupt().success());

        let mut rig = writer(who, "write_filesystem").module("tip-log").start();
        rig.wait_for(&["Z launcher ", "WEAKENED, as the config allows: no disk_quota for probe: "]);
        rig.wait_for(&["Z probe ", "started: ", "; NO disk quota; "]);
        rig.wait_for(&["Z tip-log ", "started: ", "; writes no files; "]);
        assert!(rig.interrupt().success());
        let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
        let weakened = |module: &str| {
            let mut launches =
                log.lines().filter(|line| line.contains("\"launch\"") && line.contains(module));
            launches.all(|line| line.contains("\"disk_quota\""))
        };
        assert!(weakened("\"probe\"") && !weakened("\"tip-log\""), "{log}");
    }
}

#[test]
fn nobody_else_can_open_the_lock_and_keep_the_launcher_from_starting() {
    for who in [As::Root, As::User] {
        let mut rig = Plan::new(who).start();
        rig.started("core", 1);
        let lock = rig.path().join("state/lock");
        assert_eq!(mode(&lock), 0o600);
        assert!(rig.interrupt().success());
        // As an older version has left it.
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
        let mut rig = rig.start_again();
        rig.started("core", 1);
        assert_eq!(mode(&lock), 0o600);
        assert!(rig.interrupt().success());
    }
}
