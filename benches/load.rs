//! What Cofferdam costs under load, from confined modules with their real filter to the real confined core, each as a
//! ratio to the same done bare in the same run: calls in flight, large blocks, events to many, bad neighbours.
//!
//! Cores are kept awake by idle-priority spinners. `cargo bench --bench load` as root; nothing here fails for being
//! slow.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod awake;
#[path = "load/floor.rs"]
mod floor;
mod stage;

use cofferdam_launcher::{Loaded, Running};
use stage::{CoreLink, Samples, Stage, head, lines_of, row};

/// Calls of one round, and how many of them at once.
const CALLS: usize = 20_000;
const AT_ONCE: usize = 64;
const ROUNDS: usize = 5;

/// The embedded chain spends no witness of any size, so a block of its own has at most a megabyte.
const BLOCK_BYTES: usize = 990_000;
const BLOCKS: usize = 100;

const LISTENERS: usize = 100;
const EVENTS: usize = 50;

/// Small calls of which a neighbour's median is made.
const NEIGHBOUR_CALLS: usize = 3000;

fn main() {
    awake::spin_if_told();
    if floor::play(std::env::args().nth(1).as_deref().unwrap_or_default()) {
        return;
    }
    let _awake = awake::Spinners::start();
    calls_in_flight();
    large_blocks();
    events_to_many();
    bad_neighbours();
}

/// Modules that are loaded, and the core that wants them started.
struct Cast {
    stage: Stage,
    modules: Vec<(String, Loaded)>,
    core: CoreLink,
}

impl Cast {
    /// `parts`: names and settings of modules that all run the program of the benchmarks.
    fn new(parts: &[(String, Vec<(&str, String)>)]) -> Self {
        let mut stage = Stage::new();
        let mut modules = Vec::new();
        for (name, settings) in parts {
            let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
            modules.push((name.clone(), stage.module(name, "bench-program", &settings)));
        }
        let names: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
        let core = stage.core(&names);
        Self { stage, modules, core }
    }

    /// Starts the module that the core asks for next.
    fn start(&mut self) -> Running {
        let name = self.core.next_start();
        let (_, loaded) = self.modules.iter().find(|(other, _)| other == name.as_str()).unwrap();
        let prepared = self.stage.prepare(loaded);
        let running = self.stage.launcher.launch(prepared).unwrap();
        self.core.started(&name, &running);
        running
    }

    fn end(self) {
        self.core.end();
    }
}

fn part(name: &str, settings: &[(&'static str, String)]) -> (String, Vec<(&'static str, String)>) {
    (name.to_owned(), settings.to_vec())
}

fn times(running: &Running) -> Vec<i64> {
    let [times] = lines_of(running, ["times"]);
    times.split(' ').map(|time| time.parse().unwrap()).collect()
}

fn samples(times: &[i64]) -> Samples {
    let mut samples = Samples::default();
    times.iter().for_each(|time| samples.push_ns(*time));
    samples
}

fn calls_in_flight() {
    let settings = [
        ("act", "in-flight".to_owned()),
        ("count", CALLS.to_string()),
        ("at_once", AT_ONCE.to_string()),
        ("rounds", ROUNDS.to_string()),
    ];
    let mut cast = Cast::new(&[part("in-flight", &settings)]);
    let floor = samples(&floor::echo(CALLS, AT_ONCE, ROUNDS));
    let running = cast.start();
    let calls = samples(&times(&running));
    running.kill().unwrap();
    cast.end();
    head(&format!("time per small call with {AT_ONCE} in flight, {ROUNDS} rounds of {CALLS}"));
    row("bare pipelined echo of 60 bytes", &floor, &floor);
    row("get_block_height, confined to confined", &calls, &floor);
}

fn large_blocks() {
    let settings =
        [("act", "blocks".to_owned()), ("count", BLOCKS.to_string()), ("bytes", BLOCK_BYTES.to_string())];
    let mut cast = Cast::new(&[part("blocks", &settings)]);
    let floor = samples(&floor::copies(BLOCK_BYTES, BLOCKS));
    let running = cast.start();
    let blocks = samples(&times(&running));
    running.kill().unwrap();
    cast.end();
    head(&format!("a block of {BLOCK_BYTES} bytes, {BLOCKS} times"));
    row("bare framed copy of as many bytes", &floor, &floor);
    row("get_block, confined to confined", &blocks, &floor);
}

/// From before an event is sent until the last of all has heard it.
fn until_the_last(sent: &[i64], heard: &[Vec<i64>]) -> Samples {
    let last = |index: usize| heard.iter().map(|times| times[index]).max().unwrap();
    samples(&sent.iter().enumerate().map(|(index, sent)| last(index) - sent).collect::<Vec<_>>())
}

fn events_to_many() {
    let count = ("count", EVENTS.to_string());
    let mut parts: Vec<_> = (0..LISTENERS)
        .map(|number| part(&format!("listener-{number}"), &[("act", "hear".to_owned()), count.clone()]))
        .collect();
    parts.push(part("publisher", &[("act", "publish".to_owned()), count, ("wait_ms", "3000".to_owned())]));
    let (sent, heard) = floor::writes(LISTENERS, EVENTS);
    let floor = until_the_last(&sent, &heard);
    let mut cast = Cast::new(&parts);
    let running: Vec<Running> = parts.iter().map(|_| cast.start()).collect();
    let mut told: Vec<Vec<i64>> = running.iter().map(times).collect();
    running.into_iter().for_each(|running| running.kill().unwrap());
    cast.end();
    let sent = told.pop().unwrap();
    let events = until_the_last(&sent, &told);
    head(&format!("one event until the last of {LISTENERS} has heard it, {EVENTS} times"));
    row("bare writes to as many sockets", &floor, &floor);
    row("published by a module, heard by modules", &events, &floor);
}

fn bad_neighbours() {
    let calls = [("act", "calls".to_owned()), ("count", NEIGHBOUR_CALLS.to_string())];
    let measured = |nuisance: Option<&str>| {
        let mut parts: Vec<_> =
            nuisance.iter().map(|act| part("nuisance", &[("act", (*act).to_owned())])).collect();
        parts.push(part("calls", &calls));
        let mut cast = Cast::new(&parts);
        let neighbour = nuisance.map(|_| {
            let running = cast.start();
            let [_begins] = lines_of(&running, ["begins"]);
            running
        });
        let running = cast.start();
        let samples = samples(&times(&running));
        running.kill().unwrap();
        neighbour.into_iter().for_each(|running| running.kill().unwrap());
        cast.end();
        samples
    };
    let alone = measured(None);
    head(&format!("round trip of a small call beside a bad neighbour, {NEIGHBOUR_CALLS} times"));
    row("alone", &alone, &alone);
    for (act, what) in [
        ("flood", "beside one that calls as fast as it may"),
        ("unread", "beside one that asks for blocks and never reads"),
        ("stall", "beside one that subscribes to all and never reads"),
    ] {
        row(what, &measured(Some(act)), &alone);
    }
}
