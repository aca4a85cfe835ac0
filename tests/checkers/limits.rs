//! stress-ng takes all it can get of one thing, and from outside it is measured what it got: no more than the limit.

use std::fs;
use std::path::PathBuf;

use crate::checker::{Allowed, Checker, NAME, Refusals};
use crate::rig::{Rig, eventually, is_alive};

const MEMORY_MIB: u64 = 96;
const TASKS: u64 = 40;
const DESCRIPTORS: usize = 100;

/// The module's directory in the hierarchy that has this file.
fn cgroup_with(rig: &Rig, file: &str) -> PathBuf {
    let directories: Vec<_> = rig.cgroups().iter().map(|directory| directory.join(NAME)).collect();
    let found = directories.iter().find(|directory| directory.join(file).exists());
    found.unwrap_or_else(|| panic!("none of {directories:?} has {file}")).clone()
}

fn start(arguments: &[&str], limits: &'static str) -> Rig {
    let mut checker = Checker::stress_ng(arguments, Allowed::Processes, Refusals::Shipped);
    checker.limits = limits;
    checker.start()
}

/// The most that a file of the cgroup said until the checker ended.
fn most(rig: &Rig, names: [&str; 2]) -> u64 {
    let pid = rig.started(NAME, 1);
    let is_v2 = rig.cgroups().len() == 1;
    let name = if is_v2 { names[0] } else { names[1] };
    let file = cgroup_with(rig, name).join(name);
    let mut most = 0;
    let read = || fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    eventually(
        "it does not end",
        || {
            most = most.max(read());
            !is_alive(pid)
        },
        || rig.lines().join("\n"),
    );
    most
}

#[test]
fn memory_of_all_its_processes_together_stays_within_the_limit() {
    let arguments = ["--vm", "4", "--vm-bytes", "400m", "--vm-keep", "--oomable", "--timeout", "15"];
    let mut rig = start(&arguments, "memory_bytes = 100663296\ncpu_percent = 200\n");
    let most = most(&rig, ["memory.current", "memory.usage_in_bytes"]);
    assert!(most <= MEMORY_MIB * 1024 * 1024, "{most}");
    assert!(most >= MEMORY_MIB * 1024 * 1024 * 9 / 10, "the control: it did take all it could get, {most}");
    assert!(rig.interrupt().success());
}

#[test]
fn processes_stay_within_the_limit() {
    // Processes that have ended and are not waited for count too.
    let arguments = ["--zombie", "2", "--zombie-max", "500", "--timeout", "8"];
    let mut rig = start(&arguments, "tasks = 40\ncpu_percent = 200\n");
    let most = most(&rig, ["pids.current", "pids.current"]);
    assert!((TASKS * 9 / 10..=TASKS).contains(&most), "{most} of {TASKS}");
    assert!(rig.interrupt().success());
}

#[test]
fn threads_of_several_processes_stay_within_the_limit() {
    let arguments = ["--mutex", "4", "--mutex-procs", "32", "--timeout", "8"];
    let mut rig = start(&arguments, "tasks = 40\ncpu_percent = 200\n");
    let most = most(&rig, ["pids.current", "pids.current"]);
    assert!((TASKS * 9 / 10..=TASKS).contains(&most), "{most} of {TASKS}");
    assert!(rig.interrupt().success());
}

#[test]
fn descriptors_of_each_process_stay_within_the_limit() {
    let arguments = ["--open", "2", "--open-max", "5000", "--timeout", "8"];
    let mut rig = start(&arguments, "descriptors = 100\ncpu_percent = 200\n");
    let pid = rig.started(NAME, 1);
    let processes = cgroup_with(&rig, "cgroup.procs").join("cgroup.procs");
    let mut most = 0;
    eventually(
        "it does not end",
        || {
            let pids = fs::read_to_string(&processes).unwrap_or_default();
            let open = |pid: &str| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            most = most.max(pids.lines().map(open).max().unwrap_or(0));
            !is_alive(pid)
        },
        || rig.lines().join("\n"),
    );
    assert!((DESCRIPTORS * 9 / 10..=DESCRIPTORS).contains(&most), "{most} of {DESCRIPTORS}");
    assert!(rig.interrupt().success());
}

#[test]
fn four_busy_processes_get_the_share_of_one_and_no_more() {
    let mut rig = start(&["--cpu", "4", "--timeout", "10"], "cpu_percent = 40\n");
    let pid = rig.started(NAME, 1);
    let processes = cgroup_with(&rig, "cgroup.procs").join("cgroup.procs");
    let used = || -> f64 {
        let pids = fs::read_to_string(&processes).unwrap_or_default();
        pids.lines().map(processor_seconds).sum()
    };
    eventually("it does not start its processes", || used() > 0.2, || rig.lines().join("\n"));
    let (begun, before) = (std::time::Instant::now(), used());
    std::thread::sleep(std::time::Duration::from_secs(5));
    let share = (used() - before) / begun.elapsed().as_secs_f64() * 100.0;
    assert!(is_alive(pid), "it ended while it was measured");
    assert!(share <= 42.0, "{share:.1} % of one core, and the limit is 40 %");
    // The control: it was the limit that held it, at times at least, however busy the machine is.
    let stat = fs::read_to_string(cgroup_with(&rig, "cpu.stat").join("cpu.stat")).unwrap();
    let throttled = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
    assert!(throttled.parse::<u64>().unwrap() > 3, "{stat}");
    assert!(rig.interrupt().success());
}

/// User and system time of a process. proc_pid_stat(5)
fn processor_seconds(pid: &str) -> f64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum();
    f64::from(ticks) / 100.0
}
