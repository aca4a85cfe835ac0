//! Scenes: a module that does its worst by turns, and what its neighbour and the operator notice. The launcher, the core
//! and the modules are the real ones, under the limits that are shipped.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::figures::{Compared, Played, Timed};
use crate::operator::Operator;
use crate::rig::{As, Plan, Rig, is_root};

/// How long a turn is, and how many there are: the worst begins.
const TURN: Duration = Duration::from_millis(500);
const TURNS: u32 = 8;
/// After the beginning of a turn: what the one before has left behind is not its doing.
const SETTLES: Duration = Duration::from_millis(50);
/// What wears off (a restart's pause grows) is compared with a quiet time before it, not with turns between.
const BEFORE: Duration = Duration::from_secs(2);

/// Calls of the neighbour: some five seconds, as its timer has two milliseconds between two calls.
const CALLS: u32 = 2000;

/// Memory of a bad neighbour.
const MEMORY_BYTES: u64 = 64 * 1024 * 1024;

/// How the worst is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    InTurns,
    /// From a moment on, until the end.
    ForGood,
}

/// One kind of bad neighbour.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) act: &'static str,
    pub(crate) what: &'static str,
    /// How many modules do it.
    modules: usize,
    /// What a second kind of module does meanwhile, if there is one.
    beside: Option<&'static str>,
    when: When,
}

const fn scene(act: &'static str, what: &'static str) -> Scene {
    Scene { act, what, modules: 1, beside: None, when: When::InTurns }
}

/// The first is the control: how far two equal things are apart here.
pub(crate) const SCENES: [Scene; 12] = [
    scene("quiet", "does nothing: the control"),
    scene("burn", "runs as many threads as it may"),
    scene("thrash", "reads what has no room in its memory"),
    scene("sync", "writes and syncs from four threads"),
    scene("shout", "prints without end"),
    scene("refused", "makes system calls that are refused"),
    scene("call", "calls the core without end, 64 at once"),
    scene("huge", "sends the largest frames, three at once"),
    Scene {
        beside: Some("deaf"),
        ..scene("publish", "publishes without end; one hears all and reads nothing")
    },
    Scene { modules: 8, when: When::ForGood, ..scene("crash", "crashes, eight of them at once") },
    Scene { modules: 4, when: When::ForGood, ..scene("starve", "takes all memory, four of them at once") },
    scene("everything", "does most of it at once"),
];

pub(crate) fn now_ns() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap()
}

/// The bad neighbours' names, each with its act.
fn cast(scene: &Scene) -> Vec<(String, &'static str)> {
    let bad = (0..scene.modules).map(|number| (format!("bad-{number}"), scene.act));
    bad.chain(scene.beside.map(|act| ("beside".to_owned(), act))).collect()
}

/// Plays a scene.
pub(crate) fn play(scene: &Scene) -> Played {
    let who = if is_root() { As::Root } else { As::User };
    let mut plan = Plan::with_interface(who).glutton("neighbour", "metronome", &format!("count = {CALLS}"));
    let bad = cast(scene);
    for (name, act) in &bad {
        plan = plan
            .glutton(name, act, &format!("bytes = {MEMORY_BYTES}"))
            .config(&format!("[modules.limits.{name}]\nmemory_bytes = {MEMORY_BYTES}\n"));
    }
    // The chain stands still: what is measured is not a block.
    let mut rig = plan.config("[node.embedded]\nblock_interval_ms = 0\n").start();
    for (name, _) in &bad {
        rig.wait_for(&[&format!("Z {name} "), "full: begins"]);
    }
    rig.wait_for(&["Z neighbour ", "begins"]);
    let operator = Operator::start(&rig);
    let begin_ns = begin(&rig, &bad, scene.when);
    wait_for_the_calls(&rig);
    let answers = compare(&operator.stop(), begin_ns, scene.when);
    let calls = compare(&calls_of(&rig), begin_ns, scene.when);
    let done = what_was_done(&rig, &bad);
    assert!(rig.interrupt().success(), "{}", rig.lines().join("\n"));
    Played { calls, answers, done }
}

/// Tells all bad neighbours when the turns begin.
fn begin(rig: &Rig, bad: &[(String, &'static str)], when: When) -> i64 {
    let (pause, length) = match when {
        When::InTurns => (TURN, nanoseconds(TURN)),
        When::ForGood => (BEFORE, 0),
    };
    let begin_ns = now_ns() + nanoseconds(pause);
    for (name, _) in bad {
        let directory = rig.path().join("data/modules").join(name);
        fs::write(directory.join("turns.new"), format!("{begin_ns} {length}\n")).unwrap();
        fs::rename(directory.join("turns.new"), directory.join("turns")).unwrap();
    }
    begin_ns
}

fn calls_file(rig: &Rig) -> std::path::PathBuf {
    rig.path().join("data/modules/neighbour/calls")
}

fn wait_for_the_calls(rig: &Rig) {
    let file = calls_file(rig);
    crate::rig::eventually("the neighbour calls in vain", || file.exists(), || rig.lines().join("\n"));
}

fn calls_of(rig: &Rig) -> Vec<Timed> {
    let text = fs::read_to_string(calls_file(rig)).unwrap();
    let timed = |line: &str| {
        let (began, took) = line.split_once(' ').unwrap();
        Timed { began_ns: began.parse().unwrap(), took_ns: took.parse().unwrap() }
    };
    text.lines().map(timed).collect()
}

/// Sorts times into turns; the edges of turns are left out.
fn compare(times: &[Timed], begin_ns: i64, when: When) -> Compared {
    let (turn, settles) = (nanoseconds(TURN), nanoseconds(SETTLES));
    let mut compared = Compared::default();
    for timed in times {
        let since = timed.began_ns - begin_ns;
        let (is_worst, is_edge) = match when {
            When::ForGood => (since >= 0, false),
            When::InTurns => (since.div_euclid(turn) % 2 == 0, since.rem_euclid(turn) < settles),
        };
        if is_edge || (when == When::InTurns && !(0..turn * i64::from(TURNS)).contains(&since)) {
            continue;
        }
        if is_worst { compared.worst.push(timed.took_ns) } else { compared.quiet.push(timed.took_ns) }
    }
    compared
}

/// What the log and the kernel show of the bad neighbours.
fn what_was_done(rig: &Rig, bad: &[(String, &'static str)]) -> String {
    let lines = rig.lines();
    let of_bad = |line: &&String| bad.iter().any(|(name, _)| line.contains(&format!("Z {name} ")));
    let count = |text: &str| lines.iter().filter(of_bad).filter(|line| line.contains(text)).count();
    let throttled: u64 = rig
        .cgroups()
        .iter()
        .filter_map(|directory| fs::read_to_string(directory.join("bad-0/cpu.stat")).ok())
        .filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok())
        })
        .sum();
    format!(
        "{} starts, {} lines, held back in {throttled} periods",
        count("started: pid"),
        lines.iter().filter(of_bad).count()
    )
}
