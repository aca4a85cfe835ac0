//! A module does its worst, and from outside it is measured what it got: within 5 % of the limit of its profile, in both
//! directions. On cgroup v2 or v1, whichever this host has; the measuring asks the kernel, never Cofferdam. No figure
//! depends on how busy the machine is: processor time is compared with the periods that the kernel has counted.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use rig::{As, Plan, Rig, eventually, is_alive};

/// What a limit may be exceeded or missed by.
const TOLERANCE: f64 = 0.05;

const MEMORY_BYTES: u64 = 96 * 1024 * 1024;
/// Little, so that a machine that is busy with something else too leaves it that much.
const CPU_PERCENT: u32 = 20;
const TASKS: usize = 40;
const DESCRIPTORS: usize = 100;
const STORAGE_BYTES: u64 = 8 * 1024 * 1024;
const STORAGE_KEYS: u64 = 5000;
const FILE_BYTES: u64 = 8 * 1024 * 1024;
const FILE_COUNT: u64 = 200;

/// RLIMIT_FSIZE of the policy.
const LONGEST_FILE_BYTES: u64 = 4 << 30;

/// What the launcher shows of a module's output in the long run, and at once.
const LINES_PER_SECOND: f64 = 20.0;
const LINES_AT_ONCE: usize = 100;

/// The kernel's period, over which it shares out processor time.
const PERIOD: Duration = Duration::from_millis(100);
/// How many of them are measured.
const PERIODS: u64 = 40;

/// What is measured of the module's output.
const LINES: usize = 250;

/// One start, and a chain that stands still.
const QUIET: &str = "[modules]\nrestart = \"never\"\n[node.embedded]\nblock_interval_ms = 0\n";

/// The room that a database's files take, by its documentation.
const fn files_of_database(quota: u64) -> u64 {
    4 * quota + 160 * 1024 * 1024
}

/// The module, under limits that are not those of the policy, and with whatever it may ask of the core. Most acts never
/// connect, so they must be done before the core loses patience: where processors are slow, they need them whole.
fn glutton(act: &str, cpu_percent: u32) -> Rig {
    limited(act, &format!("cpu_percent = {cpu_percent}\nmemory_bytes = {MEMORY_BYTES}"), MEMORY_BYTES)
}

/// As [`glutton`], with these lines among its limits, and a number that tells it how much to take.
fn limited(act: &str, limits: &str, bytes: u64) -> Rig {
    let plan = Plan::new(whoever_runs_this()).glutton("glutton", act, &format!("bytes = {bytes}"));
    plan.config(&format!(
        "[modules.limits.glutton]\ntasks = {TASKS}\ndescriptors = {DESCRIPTORS}\n{limits}\n\
         storage_bytes = {STORAGE_BYTES}\nstorage_keys = {STORAGE_KEYS}\n\
         file_bytes = {FILE_BYTES}\nfile_count = {FILE_COUNT}\n{QUIET}"
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

/// The file with what the module's cgroup holds of memory now.
fn memory_of(rig: &Rig) -> PathBuf {
    let is_v2 = rig.cgroups().len() == 1;
    let name = if is_v2 { "memory.current" } else { "memory.usage_in_bytes" };
    cgroup_with(rig, name).join(name)
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number that the module tells when it has all that it can get.
fn told_full(rig: &Rig) -> u64 {
    let line = rig.wait_for(&["Z glutton ", "full: "]);
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

fn assert_within_tolerance(measured: u64, limit: u64) {
    let off = (float(measured) - float(limit)) / float(limit);
    println!("measured {measured} of {limit}: {:+.2} %", off * 100.0);
    assert!(off.abs() <= TOLERANCE, "{measured} of {limit}: {:+.1} % off", off * 100.0);
}

/// The most memory that the module had until it was killed, or said that it was full.
fn most_memory(rig: &Rig, module: Pid) -> u64 {
    let file = memory_of(rig);
    let mut most = 0;
    let is_full = |rig: &Rig| rig.lines().iter().any(|line| line.contains("full: "));
    eventually(
        "it is not killed and not full",
        || {
            most = most.max(number(&file).unwrap_or(0));
            !is_alive(module) || is_full(rig)
        },
        || rig.lines().join("\n"),
    );
    most
}

#[test]
fn a_module_gets_its_limit_of_memory_and_no_more() {
    if !cgroups_for("the memory limit of a cgroup") {
        return;
    }
    let mut rig = glutton("memory", 100);
    let module = rig.started("glutton", 1);
    let most = most_memory(&rig, module);
    rig.wait_for(&["Z glutton ", "killed: it had used all of its 96 MiB of memory"]);
    assert_within_tolerance(most, MEMORY_BYTES);
    // What it could really touch: its program and the kernel's tables for it take little.
    assert_within_tolerance(number(&rig.path().join("data/modules/glutton/touched")).unwrap(), MEMORY_BYTES);
    assert!(rig.interrupt().success());
}

#[test]
fn the_pages_of_the_files_that_a_module_writes_count_as_its_memory() {
    if !cgroups_for("the memory limit of a cgroup") {
        return;
    }
    let mut rig = glutton("cache", 100);
    let module = rig.started("glutton", 1);
    // On a disk it goes on, with old pages written out; where the files are in memory it is killed.
    assert_within_tolerance(most_memory(&rig, module), MEMORY_BYTES);
    assert!(rig.interrupt().success());
}

#[test]
fn what_the_kernel_keeps_in_a_modules_sockets_counts_as_its_memory() {
    const BYTES: u64 = 24 * 1024 * 1024;
    if !cgroups_for("the memory limit of a cgroup") {
        return;
    }
    // With the policy's descriptors, enough for some 50 MiB of buffers.
    let plan = Plan::new(whoever_runs_this()).glutton("glutton", "buffers", "bytes = 0");
    let mut rig = plan
        .config(&format!("[modules.limits.glutton]\nmemory_bytes = {BYTES}\ncpu_percent = 100\n{QUIET}"))
        .start();
    let module = rig.started("glutton", 1);
    let most = most_memory(&rig, module);
    rig.wait_for(&["Z glutton ", "killed: it had used all of its 24 MiB of memory"]);
    assert_within_tolerance(most, BYTES);
    assert!(rig.interrupt().success());
}

/// User and system time of a process, in microseconds. proc_pid_stat(5)
fn processor_time(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap() * 10_000).sum()
}

/// A line of the module's cpu.stat.
fn cpu_stat(rig: &Rig, key: &str) -> u64 {
    let text = fs::read_to_string(cgroup_with(rig, "cpu.stat").join("cpu.stat")).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {key} in {text}"))
}

#[test]
fn three_busy_threads_of_a_module_get_its_share_of_processor_time_and_no_more() {
    if !cgroups_for("the processor limit of a cgroup") {
        return;
    }
    let mut rig = glutton("processor", CPU_PERCENT);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full"]);
    // In a period in which it was held back it has used up its share; on a busy machine there are others too, in which
    // it got less because somebody else ran. So what it got lies between these two.
    let (periods, used, held_back) =
        (cpu_stat(&rig, "nr_periods "), processor_time(module), cpu_stat(&rig, "nr_throttled "));
    let begun = Instant::now();
    eventually(
        "it is not held back",
        || cpu_stat(&rig, "nr_throttled ") >= held_back + PERIODS,
        || rig.lines().join("\n"),
    );
    let held_back = cpu_stat(&rig, "nr_throttled ") - held_back;
    let used = processor_time(module) - used;
    let periods = cpu_stat(&rig, "nr_periods ") - periods;
    let elapsed = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let share =
        |periods: u64| periods * u64::try_from(PERIOD.as_micros()).unwrap() * u64::from(CPU_PERCENT) / 100;
    println!("used {used} us; held back in {held_back} of {periods} periods, {elapsed} us");
    assert!(float(used) >= float(share(held_back)) * (1.0 - TOLERANCE), "{used} us in {held_back} periods");
    assert!(float(used) <= float(share(periods)) * (1.0 + TOLERANCE), "{used} us in {periods} periods");
    // And the kernel's periods are what they are said to be: none is lost, none is added.
    let most = u64::from(CPU_PERCENT) * elapsed / 100;
    assert!(float(used) <= float(most) * (1.0 + TOLERANCE), "{used} us in {elapsed} us");
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
    assert_eq!(fs::read_dir(format!("/proc/{module}/task")).unwrap().count(), TASKS);
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_gets_its_limit_of_descriptors_and_no_more() {
    let mut rig = glutton("descriptors", 100);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full"]);
    assert_eq!(fs::read_dir(format!("/proc/{module}/fd")).unwrap().count(), DESCRIPTORS);
    assert!(rig.interrupt().success());
}

#[test]
fn a_file_that_a_module_writes_gets_as_long_as_the_page_says_and_no_byte_longer() {
    let mut rig = limited("file", "cpu_percent = 100", LONGEST_FILE_BYTES);
    rig.wait_for(&["Z glutton ", &format!("written: {LONGEST_FILE_BYTES}")]);
    rig.wait_for(&["Z glutton ", "written one more: ", "FileTooLarge"]);
    let length = fs::metadata(rig.path().join("data/modules/glutton/long")).unwrap().len();
    assert_eq!(length, LONGEST_FILE_BYTES);
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_that_prints_without_end_is_shown_at_its_rate() {
    let mut rig = glutton("output", 100);
    let shown = |rig: &Rig| rig.lines().iter().filter(|line| line.contains(" line ")).count();
    // Its bucket is empty from here on.
    let reaches = |lines: usize| {
        eventually("it prints nothing", || shown(&rig) >= lines, || rig.lines().join("\n"));
        (shown(&rig), Instant::now())
    };
    let (before, begun) = reaches(LINES_AT_ONCE + LINES / 5);
    let (after, ended) = reaches(before + LINES);
    let rate = float(u64::try_from(after - before).unwrap()) / (ended - begun).as_secs_f64();
    println!("{rate:.2} lines a second");
    assert!((rate - LINES_PER_SECOND).abs() <= LINES_PER_SECOND * TOLERANCE, "{rate:.2} lines a second");
    assert!(rig.interrupt().success());
}

/// Bytes on the disk, and names, below a directory. stat(2), st_blocks
fn on_disk(directory: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        let below = if found.is_dir() { on_disk(&path) } else { (0, 0) };
        sum = (sum.0 + found.blocks() * 512 + below.0, sum.1 + 1 + below.1);
    }
    sum
}

#[test]
fn a_modules_database_takes_its_quota_of_bytes_and_no_more() {
    let mut rig = glutton("database-bytes", 100);
    assert_within_tolerance(told_full(&rig), STORAGE_BYTES);
    let (bytes, _) = on_disk(&rig.path().join("state"));
    println!("on the disk: {bytes} bytes for {STORAGE_BYTES}");
    assert!(bytes <= files_of_database(STORAGE_BYTES), "{bytes} bytes on the disk");
    assert!(rig.interrupt().success());
}

#[test]
fn a_modules_database_takes_its_quota_of_keys_and_not_one_more() {
    let mut rig = glutton("database-keys", 100);
    assert_eq!(told_full(&rig), STORAGE_KEYS);
    assert!(rig.interrupt().success());
}

#[test]
fn the_files_that_the_core_writes_for_a_module_take_its_quota_on_the_disk_and_no_more() {
    let mut rig = glutton("file-bytes", 100);
    told_full(&rig);
    let (bytes, _) = on_disk(&rig.path().join("data/modules/glutton"));
    assert_within_tolerance(bytes, FILE_BYTES);
    assert!(rig.interrupt().success());
}

#[test]
fn the_core_makes_as_many_files_for_a_module_as_its_quota_says_and_not_one_more() {
    let mut rig = glutton("file-count", 100);
    told_full(&rig);
    let (_, names) = on_disk(&rig.path().join("data/modules/glutton"));
    assert_eq!(names, FILE_COUNT);
    assert!(rig.interrupt().success());
}

#[test]
fn a_module_that_does_its_worst_in_every_way_at_once_meets_every_limit_at_once() {
    if !cgroups_for("the limits of a cgroup") {
        return;
    }
    let mut rig = glutton("everything", CPU_PERCENT);
    let module = rig.started("glutton", 1);
    rig.wait_for(&["Z glutton ", "full: begins"]);
    let directory = rig.path().join("data/modules/glutton");
    fs::write(directory.join("turns"), "0 0\n").unwrap();
    eventually("it does not begin", || directory.join("everything").exists(), String::new);
    let (memory, begun) = (memory_of(&rig), Instant::now());
    let (periods, used) = (cpu_stat(&rig, "nr_periods "), processor_time(module));
    let mut most = 0;
    eventually(
        "it is not held back",
        || {
            most = most.max(number(&memory).unwrap());
            cpu_stat(&rig, "nr_throttled ") >= PERIODS
        },
        || rig.lines().join("\n"),
    );
    let elapsed = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let used = processor_time(module) - used;
    let periods = cpu_stat(&rig, "nr_periods ") - periods;
    println!("used {used} us in {periods} periods, {elapsed} us; memory {most}");
    assert!(is_alive(module), "{}", rig.lines().join("\n"));
    assert!(float(most) <= float(MEMORY_BYTES) * (1.0 + TOLERANCE), "{most} bytes of memory");
    let share = u64::from(CPU_PERCENT) * elapsed / 100;
    assert!(float(used) <= float(share) * (1.0 + TOLERANCE), "{used} us in {elapsed} us");
    assert_eq!(fs::read_dir(format!("/proc/{module}/task")).unwrap().count(), TASKS);
    assert_eq!(fs::read_dir(format!("/proc/{module}/fd")).unwrap().count(), DESCRIPTORS);
    assert!(rig.interrupt().success());
}

#[test]
fn where_processors_are_short_the_core_has_ten_times_a_modules_share() {
    if !cgroups_for("the weights of cgroups") {
        return;
    }
    let mut rig = glutton("descriptors", 100);
    rig.started("glutton", 1);
    let name = if rig.cgroups().len() == 1 { "cpu.weight" } else { "cpu.shares" };
    let module = cgroup_with(&rig, name);
    let weight = |directory: &Path| number(&directory.join(name)).unwrap();
    assert_eq!(weight(&module.with_file_name("core")), 10 * weight(&module));
    assert!(rig.interrupt().success());
}
