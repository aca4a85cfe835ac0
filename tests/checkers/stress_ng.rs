//! stress-ng: of all system calls it can make, only those of the page succeed; its stressors do what the page allows and
//! nothing else; its fuzzers bring down nothing but themselves.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_manifest::Manifest;
use cofferdam_policy::profile::{Linkage, Profile, Verdict};
use cofferdam_policy::{Decisions, Tables, derive};

use crate::checker::{Allowed, Checker, Ended, Refusals};
use crate::kernel_log::KernelLog;
use crate::rig::{As, Plan, Rig};
use crate::stated::stated;

/// How many stressors one start runs, a second each: the core waits half a minute for a module's first word, and
/// stress-ng says none.
const AT_A_TIME: usize = 8;

#[test]
fn as_a_module_stress_ng_starts_no_process_and_does_nothing() {
    let arguments = ["--cpu", "1", "--timeout", "1"];
    let ended = Checker::stress_ng(&arguments, Allowed::Nothing, Refusals::Shipped).run();
    assert!(ended.report.contains("cannot fork, errno=1 (Operation not permitted)"), "{}", ended.report);
    assert!(
        ended.told().iter().any(|line| line.starts_with("denied: clone(0x1200011, ")),
        "{:?}",
        ended.told()
    );
    assert_eq!(listed(&ended, "passed"), BTreeSet::new());
    // The control: allowed to start processes, it does what it was told.
    let ended = Checker::stress_ng(&arguments, Allowed::Processes, Refusals::Shipped).run();
    assert_eq!(listed(&ended, "passed"), BTreeSet::from(["cpu".to_owned()]), "{}", ended.report);
}

/// The page of a module that is linked as stress-ng is.
fn page() -> Profile {
    let text = "name = \"checker\"\nversion = \"1.0.0\"\nentry_point = \"checker\"\n";
    let manifest = Manifest::parse("module.toml", text).unwrap();
    derive(&manifest, &Decisions::default(), Linkage::Dynamic, &Tables::builtin())
}

/// Calls that the page allows, with some arguments at least.
fn allowed_by_the_page() -> BTreeSet<String> {
    let page = page();
    let allows = page
        .syscalls
        .rules
        .values()
        .filter(|rule| rule.clauses.iter().any(|clause| clause.verdict == Verdict::Allow));
    allows.map(|rule| rule.name.clone()).collect()
}

/// What vm-tests/checkers adds, by the names that stress-ng has.
const ADDED: [&str; 11] =
    ["alarm", "capget", "capset", "fork", "kill", "setitimer", "wait", "wait3", "wait4", "waitid", "waitpid"];

#[test]
fn of_all_system_calls_that_stress_ng_can_make_only_those_of_the_page_succeed() {
    let arguments = ["--syscall", "1", "--syscall-top", "0", "--syscall-method", "fast10", "--timeout", "2"];
    let ended = Checker::stress_ng(&arguments, Allowed::Processes, Refusals::AtOnce).run();
    let tried = ended.report.split(" system call tests").next().unwrap().rsplit(' ').next().unwrap();
    assert!(tried.parse::<usize>().is_ok_and(|tried| tried > 250), "it tried {tried}\n{}", ended.report);
    // A row of its table: a name and three times.
    let row = |line: &str| {
        let words: Vec<&str> = line.split_once("syscall: ")?.1.split_whitespace().collect();
        let is_row = words.len() == 4 && words[1..].iter().all(|word| word.parse::<f64>().is_ok());
        is_row.then(|| words[0].to_owned())
    };
    let done: BTreeSet<String> = ended.report.lines().filter_map(row).collect();
    let stated = stated().calls;
    let kernels = |name: &String| stated.is.get(name).unwrap_or(name).clone();
    let allowed = allowed_by_the_page();
    let beyond: BTreeSet<_> = done
        .iter()
        .filter(|name| !allowed.contains(&kernels(name)) && !ADDED.contains(&name.as_str()))
        .collect();
    assert_eq!(beyond, stated.hollow.keys().collect(), "what it got done and the page does not list");
    // The control: what the page allows it did get done, but what it does not make or does not count.
    let done: BTreeSet<_> = done.iter().map(kernels).collect();
    let undone: BTreeSet<_> = allowed.difference(&done).collect();
    assert_eq!(undone, stated.undone.keys().collect(), "what the page allows and it did not get done");
}

/// Runs these stressors, some at a time, and says what each of them made of it.
fn outcomes(stressors: &[String]) -> BTreeMap<String, &'static str> {
    let mut outcomes = BTreeMap::new();
    for some in stressors.chunks(AT_A_TIME) {
        let names = some.join(",");
        let arguments = ["--with", &names, "--sequential", "1", "--timeout", "1"];
        let ended = Checker::stress_ng(&arguments, Allowed::Processes, Refusals::AtOnce).run();
        for outcome in ["passed", "failed", "skipped"] {
            outcomes.extend(listed(&ended, outcome).into_iter().map(|name| (name, outcome)));
        }
        let silent: Vec<_> = some.iter().filter(|name| !outcomes.contains_key(*name)).collect();
        assert_eq!(silent, Vec::<&String>::new(), "{}\n{}", ended.report, ended.told().join("\n"));
    }
    outcomes
}

/// The stressors of the line `passed: 2: dir (1) open (1)`.
fn listed(ended: &Ended, outcome: &str) -> BTreeSet<String> {
    let line = ended.report.lines().find_map(|line| line.split_once(&format!("] {outcome}: ")));
    let names = line.and_then(|(_, rest)| rest.split_once(": ")).map(|(_, names)| names).unwrap_or_default();
    names.split_whitespace().filter(|word| !word.starts_with('(')).map(str::to_owned).collect()
}

/// The stressors with another outcome than one of these.
fn others(stressors: &[String], expected: &[&str]) -> BTreeMap<String, &'static str> {
    let mut outcomes = outcomes(stressors);
    outcomes.retain(|_, outcome| !expected.contains(outcome));
    outcomes
}

#[test]
fn stressors_of_what_the_page_allows_work() {
    assert_eq!(others(&stated().stressors.work, &["passed"]), BTreeMap::new());
}

#[test]
fn stressors_of_what_the_page_does_not_allow_fail_1() {
    let all = stated().stressors.refused;
    assert_eq!(others(&all[..all.len() / 2], &["failed", "skipped"]), BTreeMap::new());
}

#[test]
fn stressors_of_what_the_page_does_not_allow_fail_2() {
    let all = stated().stressors.refused;
    assert_eq!(others(&all[all.len() / 2..], &["failed", "skipped"]), BTreeMap::new());
}

#[test]
fn stressors_that_take_a_refusal_for_a_success_are_refused_what_is_stated() {
    for (stressor, refused) in stated().stressors.hollow {
        let arguments = [&format!("--{stressor}"), "1", "--timeout", "1"];
        let ended = Checker::stress_ng(&arguments, Allowed::Processes, Refusals::Shipped).run();
        let denied = format!("denied: {refused}(");
        let told = ended.told();
        assert!(told.iter().any(|line| line.starts_with(&denied)), "{stressor}: {}", told.join("\n"));
    }
}

#[test]
fn stressors_that_do_what_no_module_does_by_accident_are_killed_with_all_their_processes() {
    for (stressor, call) in stated().stressors.kill {
        let arguments = [&format!("--{stressor}"), "2", "--timeout", "5"];
        let ended = Checker::stress_ng(&arguments, Allowed::Processes, Refusals::Shipped).run();
        let killed = format!("killed: it called {call}, which no module does by accident");
        assert!(ended.told().contains(&killed.as_str()), "{stressor}: {}", ended.told().join("\n"));
    }
}

/// What its module says of every block.
const SAYS: &str = "tip-log: says (info): block ";

/// A Cofferdam as it ships, whose module tells of every block.
fn neighbours() -> Rig {
    let rig = Plan::new(As::Root).module("tip-log").start();
    rig.wait_for(&[SAYS]);
    rig
}

/// Waits until the core has told its module of another block, and the launcher has written down what the module said.
fn assert_they_answer(rig: &Rig) {
    let before = rig.lines().iter().filter(|line| line.contains(SAYS)).count();
    rig.wait_for_nth(&[SAYS], before + 2);
}

/// Lets a fuzzer loose beside a Cofferdam that works.
fn fuzz(arguments: &[&str], allowed: Allowed, stressor: &str) -> Ended {
    let mut neighbours = neighbours();
    let log = KernelLog::from_now();
    let ended = Checker::stress_ng(arguments, allowed, Refusals::AtOnce).run();
    assert_they_answer(&neighbours);
    assert_eq!(listed(&ended, "passed"), BTreeSet::from([stressor.to_owned()]), "{}", ended.report);
    assert_eq!(log.complaints(), Vec::<String>::new());
    // Its own core has served the next block, and nothing of either Cofferdam has failed.
    assert!(ended.lines.iter().all(|line| !line.contains("Z core ") || !line.contains("killed")));
    assert!(neighbours.interrupt().success());
    ended
}

#[test]
fn system_calls_with_invalid_arguments_bring_down_neither_kernel_nor_core_nor_neighbours() {
    let arguments = ["--sysinval", "1", "--pathological", "--timeout", "12", "--verbose"];
    let ended = fuzz(&arguments, Allowed::Processes, "sysinval");
    let (before, _) = ended.report.split_once(" unique system calls exercised").expect("it says how many");
    let exercised = before.rsplit("sysinval: ").next().unwrap().split(' ').next().unwrap();
    assert!(exercised.parse::<usize>().unwrap() > 50, "{before}");
}

#[test]
fn system_calls_with_bad_addresses_bring_down_neither_kernel_nor_core_nor_neighbours() {
    let arguments = ["--sysbadaddr", "1", "--timeout", "12"];
    fuzz(&arguments, Allowed::ProcessesAndCode, "sysbadaddr");
}

#[test]
fn system_calls_that_do_not_exist_bring_down_neither_kernel_nor_core_nor_neighbours() {
    fuzz(&["--enosys", "1", "--timeout", "12"], Allowed::Processes, "enosys");
}
