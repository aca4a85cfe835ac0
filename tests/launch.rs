//! What a module is started with, exactly; and what the operator reads when a start fails.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rig::{As, Plan, eventually};

#[test]
fn a_module_starts_with_its_four_descriptors_its_arguments_and_its_settings_and_nothing_else() {
    let mut rig = Plan::new(As::Root).probe("sleep").start();
    rig.wait_for(&["Z probe ", "descriptors [0, 1, 2, 3]"]);
    let arguments = r#"["probe", "--module-id", "probe", "--socket-path", "fd:3", "--data-dir", "/data"]"#;
    rig.wait_for(&["Z probe ", &format!("arguments {arguments}")]);
    rig.wait_for(&["Z probe ", r#"environment [("MODULE_CONFIG_ACT", "sleep")]"#]);
    rig.wait_for(&["Z probe ", r#"directory Ok("/")"#]);
    rig.interrupt();
}

#[test]
fn what_the_descriptors_are_is_what_the_profile_says() {
    let mut rig = Plan::new(As::Root).probe("sleep").start();
    let module = rig.started("probe", 1);
    rig.wait_for(&["Z probe ", "asleep"]);
    let link =
        |number: u32| fs::read_link(format!("/proc/{module}/fd/{number}")).unwrap().display().to_string();
    let open = fs::read_dir(format!("/proc/{module}/fd")).unwrap().count();
    assert_eq!(open, 4);
    let pipes = [link(0), link(1), link(2)];
    assert!(pipes.iter().all(|pipe| pipe.starts_with("pipe:")), "{pipes:?}");
    assert!(pipes[0] != pipes[1] && pipes[1] != pipes[2], "{pipes:?}");
    assert!(link(3).starts_with("socket:"));
    rig.interrupt();
}

#[test]
fn the_core_starts_with_its_control_socket_and_two_log_pipes() {
    let mut rig = Plan::new(As::Root).start();
    let core = rig.started("core", 1);
    rig.wait_for(&["Z core ", "ready"]);
    let link =
        |number: u32| fs::read_link(format!("/proc/{core}/fd/{number}")).unwrap().display().to_string();
    assert!(link(0).starts_with("socket:"));
    assert!(link(1).starts_with("pipe:") && link(2).starts_with("pipe:"));
    let environment = fs::read(format!("/proc/{core}/environ")).unwrap();
    assert!(environment.is_empty(), "{environment:?}");
    rig.interrupt();
}

#[test]
fn a_module_runs_in_namespaces_of_its_own_under_a_uid_of_its_own_with_no_linux_capability() {
    if !rig::root_for("each module has a uid of its own") {
        return;
    }
    let mut rig = Plan::new(As::Root).probe("sleep").module("tip-log").start();
    let pids = [rig.started("probe", 1), rig.started("tip-log", 1), rig.started("core", 1)];
    let mut uids = Vec::new();
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_eq!(field("CapBnd:"), "CapBnd:\t0000000000000000");
        assert_eq!(field("CapEff:"), "CapEff:\t0000000000000000");
        assert_eq!(field("NoNewPrivs:"), "NoNewPrivs:\t1");
        assert_eq!(field("Seccomp:"), "Seccomp:\t2");
        assert_eq!(field("Groups:").trim(), "Groups:");
        uids.push(field("Uid:"));
        for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
            let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
            assert_ne!(of(&pid.to_string()), of("self"), "{namespace} of {pid}");
        }
    }
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 3, "each has a uid of its own: {uids:?}");
    rig.interrupt();
}

#[test]
fn the_sandbox_holds_the_data_directory_and_no_other_mount() {
    let mut rig = Plan::new(As::Root).probe("sleep").start();
    let module = rig.started("probe", 1);
    let mounts = fs::read_to_string(format!("/proc/{module}/mountinfo")).unwrap();
    let mut points: Vec<_> = mounts.lines().map(|line| line.split(' ').nth(4).unwrap()).collect();
    points.sort_unstable();
    points.dedup();
    assert_eq!(points, ["/", "/data"], "{mounts}");
    let of =
        |point: &str| mounts.lines().rfind(|line| line.split(' ').nth(4) == Some(point)).unwrap().to_owned();
    assert!(of("/data").contains("nosuid,nodev,noexec"), "{mounts}");
    assert!(of("/").contains("ro,nosuid,nodev,noexec"), "{mounts}");
    rig.interrupt();
}

#[test]
fn a_dynamically_linked_module_runs_with_its_libraries_read_only() {
    let plan = Plan::new(As::Root);
    let folder = plan.path().join("modules/dynamic");
    fs::create_dir(&folder).unwrap();
    rig::dynamic_program(&folder.join("dynamic"));
    let manifest = "name = \"dynamic\"\nversion = \"1.0.0\"\nentry_point = \"dynamic\"\n";
    fs::write(folder.join("module.toml"), manifest).unwrap();
    let mut rig = plan.config("[modules]\nrestart = \"never\"\n").start();
    rig.wait_for(&["Z dynamic ", "linked dynamically"]);
    rig.wait_for(&["Z dynamic ", "exited with status 0"]);
    rig.interrupt();
}

/// Installs a module whose program is made by `make`, and returns what the operator reads about it.
fn refused(make: impl FnOnce(&std::path::Path)) -> String {
    let plan = Plan::new(As::Root).probe("");
    let folder = plan.path().join("modules/broken");
    fs::create_dir(&folder).unwrap();
    let manifest = "name = \"broken\"\nversion = \"1.0.0\"\nentry_point = \"program\"\n";
    fs::write(folder.join("module.toml"), manifest).unwrap();
    make(&folder.join("program"));
    let mut rig = plan.start();
    let line = rig.wait_for(&["Z broken ", "error: "]);
    // It keeps only itself from running.
    rig.wait_for(&["Z probe ", "connected"]);
    assert!(rig.interrupt().success());
    line
}

#[test]
fn a_program_that_cannot_run_is_an_error_that_names_module_file_and_fix() {
    let script = refused(|path| fs::write(path, "#!/bin/sh\necho hello\n").unwrap());
    assert!(
        script.contains("modules/broken/program: is not an ELF program (it is a script); build"),
        "{script}"
    );
    let missing = refused(|_| ());
    assert!(missing.contains("modules/broken/program: cannot be opened: ENOENT"), "{missing}");
    let link = refused(|path| std::os::unix::fs::symlink("/bin/true", path).unwrap());
    assert!(link.contains("ELOOP") && link.contains("symbolic link"), "{link}");
    let folder = refused(|path| fs::create_dir(path).unwrap());
    assert!(folder.contains("is not a regular file"), "{folder}");
    let fifo = refused(|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap());
    assert!(fifo.contains("is not a regular file"), "{fifo}");
}

#[test]
fn a_manifest_that_is_wrong_keeps_only_its_own_module_from_running() {
    let plan = Plan::new(As::Root).probe("");
    let folder = plan.path().join("modules/typo");
    fs::create_dir(&folder).unwrap();
    let manifest = "name = \"typo\"\nversion = \"1.0.0\"\nentry_point = \"typo\"\ncapabilites = []\n";
    fs::write(folder.join("module.toml"), manifest).unwrap();
    let mut rig = plan.start();
    rig.wait_for(&["Z launcher ", "modules/typo/module.toml:4:1: ", "capabilities"]);
    rig.wait_for(&["Z probe ", "connected"]);
    rig.interrupt();
}

#[test]
fn a_layer_that_is_missing_is_an_error_that_names_the_setting_unless_the_config_allows_it() {
    // An ordinary user has no cgroup, or names none: the start is refused, and says what to do.
    let plan = Plan::new(As::User).probe("").without_waivers();
    let mut rig = plan.start();
    assert!(!rig.wait().success());
    let line = rig.wait_for(&["cofferdam-launcher: cgroup cannot be had"]);
    assert!(line.contains("allow_missing = [\"cgroup\"]") && line.contains("Delegate=yes"), "{line}");
    assert!(!rig.lines().iter().any(|line| line.contains("started:")));

    // The control: allowed by name, it starts, and says so everywhere.
    let mut rig = Plan::new(As::User).probe("").without_cgroup().start();
    rig.wait_for(&["WEAKENED, as the config allows: ", "no cgroup"]);
    rig.wait_for(&["Z probe ", "started:", "NO cgroup"]);
    assert!(rig.interrupt().success());
}

#[test]
fn only_one_launcher_runs_in_a_state_directory() {
    let mut first = Plan::new(As::Root).probe("").start();
    first.wait_for(&["Z probe ", "connected"]);
    let mut second = first.start_beside();
    assert!(!second.wait().success());
    second.wait_for(&["another cofferdam runs with this state_dir"]);
    assert!(first.interrupt().success());
}

#[test]
fn a_data_directory_of_someone_else_is_refused_and_left_alone() {
    if !rig::root_for("a data directory of someone else is refused") {
        return;
    }
    let plan = Plan::new(As::Root).probe("");
    let data = plan.path().join("data/modules/probe");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("precious"), "x").unwrap();
    std::os::unix::fs::chown(&data, Some(4242), Some(4242)).unwrap();
    let mut rig = plan.start();
    rig.wait_for(&["Z probe ", "it has content and belongs to uid 4242"]);
    assert!(rig.interrupt().success());
    assert!(data.join("precious").exists());
}

#[test]
fn a_data_directory_keeps_its_uid_over_restarts_and_is_closed_to_others() {
    use std::os::unix::fs::MetadataExt;
    let mut rig = Plan::new(As::Root).probe("").module("tip-log").start();
    rig.wait_for(&["Z probe ", "connected"]);
    let owner = |rig: &rig::Rig| fs::metadata(rig.path().join("data/modules/probe")).unwrap();
    let before = owner(&rig);
    assert_eq!(before.permissions().mode() & 0o777, 0o700);
    assert!(rig.interrupt().success());
    let mut again = rig.start_again();
    again.wait_for(&["Z probe ", "connected"]);
    assert_eq!(owner(&again).uid(), before.uid());
    eventually("no end", || again.interrupt().success(), String::new);
}
