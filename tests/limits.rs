//! A module does its worst, and from outside it is measured what it got: within 5 % of the limit of its profile. On
//! cgroup v2 or v1, whichever this host has; the measuring asks the kernel, never Cofferdam.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rig::{As, Plan, Rig, eventually, is_alive};

/// What a limit may be exceeded or missed by.
const TOLERANCE: f64 = 0.05;

const MEMORY_BYTES: u64 = 96 * 1024 * 1024;
const CPU_PERCENT: u32 = 40;
const TASKS: u32 = 40;
const DESCRIPTORS: u32 = 100;

/// How long processor time is measured: many of the kernel's 100 ms periods.
const MEASURED: Duration = Duration::from_secs(5);

/// The module, under limits that are not those of the policy. It never connects, so it must be done with its act before
/// the core loses patience: where processors are slow, it needs them whole.
fn glutton(act: &str, cpu_percent: u32) -> Rig {
    let plan = Plan::new(whoever_runs_this());
    let folder = plan.path().join("modules/glutton");
    fs::create_dir(&folder).unwrap();
    let manifest = "name = \"glutton\"\nversion = \"1.0.0\"\nentry_point = \"glutton\"\n\
         [config_schema]\nact = \"what to take\"\n";
    fs::write(folder.join("module.toml"), manifest).unwrap();
    fs::copy(rig::binary("glutton"), folder.join("glutton")).unwrap();
    plan.config(&format!(
        "[modules]\nrestart = \"never\"\n[modules.module_configs.glutton]\nact = \"{act}\"\n\
         [modules.limits.glutton]\nmemory_bytes = {MEMORY_BYTES}\ncpu_percent = {cpu_percent}\n\
         tasks = {TASKS}\ndescriptors = {DESCRIPTORS}\n"
    ))
    .start()
}

fn whoever_runs_this() -> As {
    if rig::is_root() { As::Root } else { As::User }
}

/// Whether the launcher of whoever runs this has cgroups. If not, it is said; and with REQUIRE_KERNEL=1 that is a failure.
fn cgroups_for(claim: &str) -> bool {
    rig::delegated_cgroup().is_some() || rig::root_for(claim)
}

/// The module's directory in the hierarchy that has this file.
fn cgroup_with(rig: &Rig, file: &str) -> PathBuf {
    let directories: Vec<_> = rig.cgroups().iter().map(|directory| directory.join("glutton")).collect();
    let found = directories.iter().find(|directory| directory.join(file).exists());
    found.unwrap_or_else(|| panic!("none of {directories:?} has {file}")).clone()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn assert_within_tolerance(measured: f64, limit: f64) {
    let off = (measured - limit).abs() / limit;
    assert!(off <= TOLERANCE, "{measured} of {limit}: {:.1} % off", off * 100.0);
}

#[test]
fn a_module_gets_its_limit_of_memory_and_no_more() {
    if !cgroups_for("the memory limit of a cgroup") {
        return;
    }
    let mut rig = glutton("memory", 100);
    let module = rig.started("glutton", 1);
    let is_v2 = rig.cgroups().len() == 1;
    let name = if is_v2 { "memory.current" } else { "memory.usage_in_bytes" };
    let file = cgroup_with(&rig, name).join(name);
    let mut most = 0;
    // Until the kernel kills it, and with it goes the file.
    eventually(
        "it is not killed",
        || {
            most = most.max(number(&file).unwrap_or(0));
            !is_alive(module)
        },
        || rig.lines().join("\n"),
    );
    rig.wait_for(&["Z glutton ", "killed: it had used all of its 96 MiB of memory"]);
    assert_within_tolerance(
        f64::from(u32::try_from(most).unwrap()),
        f64::from(u32::try_from(MEMORY_BYTES).unwrap()),
    );
    assert!(rig.interrupt().success());
}

/// User and system time of a process. proc_pid_stat(5)
fn processor_time(pid: Pid) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum();
    Duration::from_secs_f64(f64::from(ticks) / 100.0)
}

#[test]
fn three_busy_threads_of_a_module_get_its_share_of_processor_time_and_no_more() {
    if !cgroups_for("the processor limit of a cgroup") {
        return;
    }
    let mut rig = glutton("processor", CPU_PERCENT);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full"]);
    let (begun, before) = (Instant::now(), processor_time(module));
    std::thread::sleep(MEASURED);
    let used = processor_time(module) - before;
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    let limit = f64::from(CPU_PERCENT);
    assert!(share <= limit * (1.0 + TOLERANCE), "{share:.1} % of one core, and the limit is {limit} %");
    // The control: it was the limit that held it, not a machine that is busy with something else.
    let directory = cgroup_with(&rig, "cpu.stat");
    let stat = fs::read_to_string(directory.join("cpu.stat")).unwrap();
    let throttled = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
    assert!(throttled.parse::<u64>().unwrap() > 10, "{stat}");
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_gets_its_limit_of_tasks_and_no_more() {
    if !cgroups_for("the task limit of a cgroup") {
        return;
    }
    let mut rig = glutton("tasks", 100);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full"]);
    let count = fs::read_dir(format!("/proc/{module}/task")).unwrap().count();
    assert_within_tolerance(f64::from(u32::try_from(count).unwrap()), f64::from(TASKS));
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_gets_its_limit_of_descriptors_and_no_more() {
    let mut rig = glutton("descriptors", 100);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full"]);
    let count = fs::read_dir(format!("/proc/{module}/fd")).unwrap().count();
    assert_within_tolerance(f64::from(u32::try_from(count).unwrap()), f64::from(DESCRIPTORS));
    assert!(rig.interrupt().success());
}
