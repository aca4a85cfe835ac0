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
