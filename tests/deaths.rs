//! Whatever dies, and however: no zombie, no orphan, no cgroup, no mount is left.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use nix::sys::signal::{Signal, kill};
use rig::{As, Plan, eventually, is_alive, processes};

#[test]
fn a_killed_module_leaves_no_zombie_and_no_cgroup_and_the_others_go_on() {
    if !rig::root_for("a dead module leaves no cgroup") {
        return;
    }
    let mut rig = Plan::new(As::Root)
        .module("block-watch")
        .probe("")
        .config("[modules]\nrestart = \"never\"\n")
        .start();
    let module = rig.started("probe", 1);
    rig.wait_for(&["probe", "connected"]);
    let cgroups: Vec<_> = rig.cgroups().iter().map(|path| path.join("probe")).collect();
    assert!(!cgroups.is_empty() && cgroups.iter().all(|path| path.exists()), "{cgroups:?}");

    kill(module, Signal::SIGKILL).unwrap();

    rig.wait_for(&["probe", "ended by signal 9"]);
    assert!(!is_alive(module));
    assert!(cgroups.iter().all(|path| !path.exists()), "{cgroups:?}");
    let launcher = rig.pid();
    let zombies: Vec<_> =
        processes().into_iter().filter(|p| p.parent == launcher && p.state == 'Z').collect();
    assert!(zombies.is_empty(), "{zombies:?}");
    let seen = rig.lines().len();
    eventually(
        "block-watch stopped",
        || rig.lines().iter().skip(seen).any(|l| l.contains("block-watch:")),
        || rig.lines().join("\n"),
    );
    rig.interrupt();
}

#[test]
fn a_crashed_module_is_started_again_with_namespaces_and_a_cgroup_of_its_own() {
    let mut rig = Plan::new(As::Root).probe("exit").start();
    let first = rig.started("probe", 1);
    rig.wait_for(&["probe", "exited with status 7"]);
    let second = rig.started("probe", 2);
    assert_ne!(first, second);
    rig.interrupt();
}

#[test]
fn a_killed_core_takes_the_modules_with_it_and_all_start_again() {
    let mut rig = Plan::new(As::Root).probe("").start();
    let (core, module) = (rig.started("core", 1), rig.started("probe", 1));
    rig.wait_for(&["probe", "connected"]);

    kill(core, Signal::SIGKILL).unwrap();

    rig.wait_for(&["core", "ended by signal 9"]);
    rig.wait_for(&["Z probe ", "stopped"]);
    let (core_again, module_again) = (rig.started("core", 2), rig.started("probe", 2));
    assert!(!is_alive(core) && !is_alive(module));
    rig.wait_for_nth(&["probe", "connected"], 2);
    assert!(rig.interrupt().success());
    rig.assert_nothing_is_left(&[core_again, module_again]);
}

#[test]
fn a_killed_launcher_leaves_nothing() {
    if !rig::root_for("a killed launcher leaves no cgroup") {
        return;
    }
    let mut rig = Plan::new(As::Root).module("block-watch").probe("").start();
    let pids = [rig.started("core", 1), rig.started("probe", 1), rig.started("block-watch", 1)];
    rig.wait_for(&["probe", "connected"]);
    let sweeper: Vec<_> = rig.children().into_iter().filter(|pid| !pids.contains(pid)).collect();
    assert_eq!(sweeper.len(), 1, "the launcher's other child is its sweeper");
    assert!(!rig.cgroups().is_empty());

    rig.signal(Signal::SIGKILL);

    assert_eq!(rig::ended_by(rig.wait()), Some(9));
    rig.assert_nothing_is_left(&pids);
    eventually("the sweeper is left", || !is_alive(sweeper[0]), || format!("{sweeper:?}"));
}

#[test]
fn a_killed_rootless_launcher_leaves_nothing() {
    let mut rig = Plan::new(As::User).probe("").start();
    let pids = [rig.started("core", 1), rig.started("probe", 1)];
    rig.wait_for(&["probe", "connected"]);
    let children = rig.children();

    rig.signal(Signal::SIGKILL);

    rig.wait();
    rig.assert_nothing_is_left(&pids);
    rig.assert_nothing_is_left(&children);
}

#[test]
fn what_a_killed_launcher_and_its_sweeper_left_is_removed_by_the_next_start() {
    if !rig::root_for("left cgroups are removed by the next start") {
        return;
    }
    let plan = Plan::new(As::Root).probe("");
    let mut rig = plan.start();
    let pids = [rig.started("core", 1), rig.started("probe", 1)];
    let cgroups = rig.cgroups();
    for child in rig.children().into_iter().filter(|pid| !pids.contains(pid)) {
        kill(child, Signal::SIGKILL).unwrap();
    }
    rig.signal(Signal::SIGKILL);
    rig.wait();
    assert!(cgroups.iter().all(|path| path.exists()), "control: without the sweeper cgroups are left");

    let mut again = rig.start_again();
    again.started("probe", 1);
    assert_eq!(again.cgroups(), cgroups);
    assert!(again.interrupt().success());
    again.assert_nothing_is_left(&pids);
}

#[test]
fn ctrl_c_lets_modules_say_goodbye_and_ends_cleanly() {
    let mut rig = Plan::new(As::Root).probe("").start();
    let pids = [rig.started("core", 1), rig.started("probe", 1)];
    rig.wait_for(&["probe", "connected"]);

    assert!(rig.interrupt().success());

    rig.wait_for(&["probe", "goodbye"]);
    rig.wait_for(&["Z probe ", "exited with status 0"]);
    rig.assert_nothing_is_left(&pids);
}

#[test]
fn a_module_that_ignores_the_shutdown_is_killed_after_the_grace_period() {
    let mut rig = Plan::new(As::Root).probe("ignore-shutdown").config("[shutdown]\ngrace_ms = 300\n").start();
    let pids = [rig.started("core", 1), rig.started("probe", 1)];
    rig.wait_for(&["probe", "connected"]);

    assert!(rig.interrupt().success());

    rig.wait_for(&["Z probe ", "stopped"]);
    rig.assert_nothing_is_left(&pids);
}

#[test]
fn a_module_that_floods_its_output_is_limited_escaped_and_stopped() {
    let mut rig = Plan::new(As::Root).probe("flood").config("[shutdown]\ngrace_ms = 300\n").start();
    rig.started("probe", 1);
    rig.wait_for(&["probe", "lines not shown"]);
    assert!(rig.interrupt().success());
    let lines = rig.lines();
    let shown = lines.iter().filter(|line| line.contains("flood")).count();
    assert!(lines.iter().any(|line| line.contains("flood \\u{1b}[2J")), "the escape is shown, not sent");
    assert!(!lines.iter().any(|line| line.contains('\u{1b}')));
    assert!(shown < 20_000, "{shown} lines of a flood were shown");
}

#[test]
fn a_launcher_that_is_killed_and_replaced_at_once_is_not_swept_away_with_its_predecessor() {
    let mut rig = Plan::new(As::Root).probe("").start();
    for _ in 0..8 {
        let pids = [rig.started("core", 1), rig.started("probe", 1)];
        rig.signal(Signal::SIGKILL);
        rig.wait();
        rig = rig.start_again();
        rig.wait_for(&["probe", "connected"]);
        eventually("a process is left", || pids.iter().all(|pid| !is_alive(*pid)), || format!("{pids:?}"));
    }
    assert!(rig.interrupt().success());
    rig.assert_nothing_is_left(&[]);
}

#[test]
fn a_parent_that_ignores_the_end_of_children_does_not_make_the_launcher_lose_them() {
    let mut rig = Plan::new(As::Root).probe("").start_after("trap '' CHLD");
    let module = rig.started("probe", 1);
    rig.wait_for(&["probe", "connected"]);
    kill(module, Signal::SIGKILL).unwrap();
    rig.wait_for(&["Z probe ", "ended by signal 9"]);
    rig.started("probe", 2);
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_inherits_no_ignored_signal() {
    let mut rig = Plan::new(As::Root).probe("sleep").start_after("trap '' INT QUIT USR1");
    let module = rig.started("probe", 1);
    rig.wait_for(&["Z probe ", "asleep"]);
    let status = std::fs::read_to_string(format!("/proc/{module}/status")).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("SigBlk:"), "0000000000000000");
    // SIGPIPE is the one that Rust's own runtime ignores, in the module itself.
    assert_eq!(field("SigIgn:"), "0000000000001000");
    rig.interrupt();
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_launcher_nor_its_end() {
    // The rig's shell writes into a pipe whose reader sleeps: the pipe fills, and stays full.
    let stalled = "mkfifo \"$PWD/stalled\" && { sleep 20 < \"$PWD/stalled\" & }; exec 2> \"$PWD/stalled\"";
    let plan = Plan::new(As::Root).probe("flood").config("[shutdown]\ngrace_ms = 300\n");
    let folder = plan.path().to_owned();
    let mut rig = plan.start_after(&format!("cd {}; {stalled}", folder.display()));
    eventually("the module does not start", || !rig.children_named("probe").is_empty(), String::new);
    let module = rig.children_named("probe");
    // What it writes in this time fills the pipe's 64 KiB.
    std::thread::sleep(std::time::Duration::from_secs(4));

    rig.signal(Signal::SIGTERM);

    rig.wait();
    rig.assert_nothing_is_left(&module);
}
