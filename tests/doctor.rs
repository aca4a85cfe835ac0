//! `cofferdam doctor` on the real kernel, as root and as an ordinary user; and on hosts that were made to lack
//! something, so that each verdict is seen to fail.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use cofferdam_installation::cgroups::{CONTROLLERS, Hierarchy, directory};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use seccompiler::{SeccompAction, SeccompFilter};
use serde_json::Value;

/// A folder that anyone may write, with a config that allows these layers to be missing.
fn folder(allowed: &[&str]) -> tempfile::TempDir {
    configured(allowed, "")
}

/// As [`folder`], with more under `[sandbox]`.
fn configured(allowed: &[&str], more: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("cofferdam-test-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(folder.path().join("modules")).unwrap();
    let mut missing = rig::missing_here();
    missing.extend(allowed.iter().map(|layer| (*layer).to_owned()));
    let config = format!(
        "state_dir = \"state\"\n[modules]\nmodules_dir = \"modules\"\ndata_dir = \"data\"\n[sandbox]\nallow_missing = {missing:?}\n{more}\n"
    );
    fs::write(folder.path().join("cofferdam.toml"), config).unwrap();
    folder
}

fn doctor(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(rig::binary("cofferdam"));
    command.args(["doctor", "--json"]).current_dir(folder.path());
    command
}

fn finding(output: &Output, name: &str) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{told}"));
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {text}"))
        .clone()
}

fn assert_refused(output: &Output, name: &str, verdict: &str, remedy: &str) {
    let finding = finding(output, name);
    assert_eq!(finding["verdict"], verdict, "{finding}");
    assert!(finding["remedy"].as_str().unwrap().contains(remedy), "{finding}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn everything_that_the_config_wants_is_found() {
    // Root has a cgroup to divide, and so has a user whom one was given.
    let (waived, root): (&[&str], _) = match rig::delegated_cgroup() {
        _ if rig::is_root() => (&[], String::new()),
        Some(cgroup) => (&[], format!("cgroup_root = {cgroup:?}")),
        None => (&["cgroup"], String::new()),
    };
    let output = doctor(&configured(waived, &root)).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    for name in ["user_namespaces", "seccomp", "clone3", "launch"] {
        assert_eq!(finding(&output, name)["verdict"], "ok");
    }
}

#[test]
fn an_ordinary_user_may_not_divide_roots_cgroup_and_may_accept_that() {
    let run = |allowed: &[&str]| {
        let folder = configured(allowed, "cgroup_root = \"/sys/fs/cgroup\"");
        let mut command = doctor(&folder);
        if rig::is_root() {
            command.uid(rig::USER).gid(rig::USER);
        }
        command.output().unwrap()
    };
    assert_refused(&run(&[]), "cgroup", "missing", "Delegate=yes");
    let accepted = run(&["cgroup"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", String::from_utf8_lossy(&accepted.stdout));
    assert_eq!(finding(&accepted, "cgroup")["waiver"]["allowed"], true);
}

#[test]
fn what_was_tried_leaves_nothing_behind() {
    let folder = folder(&["cgroup"]);
    doctor(&folder).output().unwrap();
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["cofferdam.toml", "modules"]);
}

#[test]
fn no_more_user_namespaces_are_named_with_the_setting_that_forbids_them() {
    let folder = folder(&["cgroup"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c"]);
    command.arg("echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" doctor --json");
    command.arg(rig::binary("cofferdam")).current_dir(folder.path());
    // Nothing forks on the way: this process is the launcher in the end.
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let name = format!("cofferdam-doctor-{}", child.id());
    let output = child.wait_with_output().unwrap();
    assert_refused(&output, "user_namespaces", "fatal", "sysctl user.max_user_namespaces=");
    assert_refused(&output, "launch", "fatal", "");
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
}

/// Cgroups of this name beside those of this process.
fn cgroups_named(name: &str) -> Vec<PathBuf> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap();
    let (mounts, own) = (read("mountinfo"), read("cgroup"));
    let hierarchies = CONTROLLERS.iter().map(|name| Hierarchy::Of(name)).chain([Hierarchy::Unified]);
    let beside: Vec<PathBuf> =
        hierarchies.filter_map(|hierarchy| directory(&mounts, &own, hierarchy)).collect();
    assert!(!beside.is_empty(), "{mounts}");
    beside.into_iter().map(|parent| parent.join(name)).filter(|path| path.exists()).collect()
}

#[test]
fn a_filter_around_it_that_refuses_unshare_is_taken_for_a_containers() {
    let folder = folder(&["cgroup"]);
    let refused = std::thread::spawn(move || {
        let errno = u32::try_from(libc::ENOSYS).unwrap();
        let rules = [(libc::SYS_unshare, Vec::new())].into_iter().collect();
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch).unwrap();
        // The filter is this thread's, and that of what it starts.
        let program: seccompiler::BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        doctor(&folder).output().unwrap()
    });
    assert_refused(&refused.join().unwrap(), "user_namespaces", "fatal", "seccomp=unconfined");
}

#[test]
fn a_cgroup_that_is_mounted_read_only_is_named() {
    if !rig::root_for("cgroups are mounted read-only by root") {
        return;
    }
    let folder = folder(&[]);
    let output = std::thread::spawn(move || {
        // The mounts are this thread's, and those of what it starts.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        for line in mounts.lines().filter(|line| line.split(' ').nth(2).unwrap().starts_with("cgroup")) {
            let point = line.split(' ').nth(1).unwrap();
            let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(nothing, point, nothing, flags, nothing).unwrap();
        }
        doctor(&folder).output().unwrap()
    });
    assert_refused(&output.join().unwrap(), "cgroup", "missing", "read-only");
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_missing_layer() {
    let status =
        Command::new(rig::binary("cofferdam")).args(["doctor", "--no-such"]).output().unwrap().status;
    assert_eq!(status.code(), Some(2));
}
