//! The whole of it on the development chain: the launcher, its confined core, confined modules, and what each
//! of them did in the end. Nothing is replaced by anything.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod rig;
mod summaries;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use rig::{As, Plan, Rig, eventually, is_alive};
use summaries::{blocks, connected, said};

/// What the node of the development chain pays for a block.
const SUBSIDY_SATS: u64 = 5_000_000_000;

/// When the development chain begins, in seconds since 1970.
const GENESIS_TIME: u64 = 1_763_769_600;

/// The blocks that the core announced.
fn chain(rig: &Rig) -> BTreeMap<u32, String> {
    announced(&rig.lines())
}

fn announced(lines: &[String]) -> BTreeMap<u32, String> {
    let told = lines.iter().filter_map(|line| line.split_once(" new block ")?.1.split_once(" at height "));
    told.map(|(hash, height)| (height.parse().unwrap(), hash.to_owned())).collect()
}

/// Position of the first line with all of these texts.
fn position(lines: &[String], texts: &[&str]) -> usize {
    let found = lines.iter().position(|line| texts.iter().all(|text| line.contains(text)));
    found.unwrap_or_else(|| panic!("no line with {texts:?} in:\n{}", lines.join("\n")))
}

fn every_block_is_summarised(who: As) {
    let mut rig = Plan::new(who).module("block-watch").start();
    rig.wait_for_nth(&["block-watch: says (info): block "], 6);
    let written = connected(&rig);
    assert!(rig.interrupt().success());
    rig.assert_the_core_was_denied_nothing();

    let first = written[0].height;
    let heights: Vec<u32> = written.iter().map(|summary| summary.height).collect();
    assert!(heights.len() >= 6);
    assert_eq!(heights, (first..).take(heights.len()).collect::<Vec<_>>());
    let chain = chain(&rig);
    for summary in &written {
        assert_eq!(Some(&summary.hash), chain.get(&summary.height), "{summary:?}");
        assert_eq!((summary.number("transactions"), summary.number("output_sats")), (1, SUBSIDY_SATS));
        assert!(summary.number("time") >= GENESIS_TIME && summary.number("size_bytes") > 81, "{summary:?}");
    }
    let times: Vec<u64> = written.iter().map(|summary| summary.number("time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    // It says what it wrote, in the order of the chain.
    let said = said(&rig);
    assert!(said.iter().zip(first..).all(|((height, _), expected)| *height == expected), "{said:?}");
    assert!(said.iter().all(|(height, hash)| chain.get(height) == Some(hash)), "{said:?}");
}

#[test]
fn block_watch_summarises_every_block_of_the_chain_in_order() {
    every_block_is_summarised(As::Root);
}

#[test]
fn block_watch_summarises_every_block_of_the_chain_in_order_without_rights() {
    every_block_is_summarised(As::User);
}

fn every_tip_is_logged(who: As) {
    let mut rig = Plan::new(who).module("tip-log").start();
    rig.wait_for_nth(&["tip-log: says (info): block "], 5);
    assert!(rig.interrupt().success());
    let (said, chain) = (blocks(&rig, "tip-log: says (info): block "), chain(&rig));
    assert!(said.iter().zip(said[0].0..).all(|((height, _), expected)| *height == expected), "{said:?}");
    assert!(said.iter().all(|(height, hash)| chain.get(height) == Some(hash)), "{said:?}");
}

#[test]
fn tip_log_logs_every_block_once() {
    every_tip_is_logged(As::Root);
}

#[test]
fn tip_log_logs_every_block_once_without_rights() {
    every_tip_is_logged(As::User);
}

#[test]
fn a_capability_that_the_operator_withholds_is_refused_and_the_module_goes_on() {
    let grants = "[modules.grants]\nblock-watch = [\"subscribe_events\"]\n";
    let mut rig = Plan::new(As::Root).module("block-watch").config(grants).start();
    let module = rig.started("block-watch", 1);
    rig.wait_for(&["Z core ", "block-watch: refused get_block: needs read_blockchain"]);
    let met = "get_block: get_block needs the capability read_blockchain; add it to capabilities";
    // It still hears of blocks, and meets the same again.
    rig.wait_for_nth(&["block-watch: says (error): block ", met], 3);
    assert!(is_alive(module));
    assert_eq!(connected(&rig), []);
    assert!(rig.interrupt().success());

    // The control: without that line it gets what its manifest asks for.
    let mut rig = Plan::new(As::Root).module("block-watch").start();
    rig.wait_for(&["block-watch: says (info): block "]);
    assert!(!connected(&rig).is_empty());
    assert!(rig.interrupt().success());
    assert!(!rig.lines().iter().any(|line| line.contains("refused")));
}

#[test]
fn modules_start_after_what_they_require() {
    let mut rig = Plan::new(As::Root)
        .module("block-watch")
        .manifest("block-watch", "[config_schema]", "[dependencies]\ntip-log = \"=0.1.0\"\n\n[config_schema]")
        .module("tip-log")
        .manifest("tip-log", "[config_schema]", "[dependencies]\nprobe = \">=0.1.0\"\n\n[config_schema]")
        .probe("")
        .start();
    rig.wait_for(&["Z core ", "ready; modules: 3"]);
    rig.wait_for(&["block-watch: connected"]);
    let lines = rig.lines();
    let order = ["probe", "tip-log", "block-watch"];
    let started = order.map(|name| position(&lines, &[&format!("Z {name} "), "started: pid "]));
    let connected = order.map(|name| position(&lines, &["Z core ", &format!("{name}: connected")]));
    assert!(started.is_sorted() && connected.is_sorted(), "{started:?} {connected:?}");
    assert!(rig.interrupt().success());
}

#[test]
fn a_missing_requirement_refuses_only_the_modules_that_need_it_and_names_the_chain() {
    let mut rig = Plan::new(As::Root)
        .module("block-watch")
        .manifest("block-watch", "[config_schema]", "[dependencies]\ntip-log = \"=0.1.0\"\n\n[config_schema]")
        .module("tip-log")
        .manifest("tip-log", "[config_schema]", "[dependencies]\nmissing = \">=1.0.0\"\n\n[config_schema]")
        .probe("")
        .start();
    let why = "missing is not installed; install it or remove it from [dependencies] of tip-log";
    rig.wait_for(&["block-watch -> tip-log -> missing: ", why]);
    rig.wait_for(&[" tip-log -> missing: ", why]);
    rig.wait_for(&["Z core ", "ready; modules: 1;"]);
    rig.wait_for(&["Z probe ", "connected"]);
    assert!(rig.interrupt().success());
    let started = |line: &String| line.contains("started: pid");
    let started: Vec<String> = rig.lines().into_iter().filter(started).collect();
    assert!(
        !started.iter().any(|line| line.contains("tip-log") || line.contains("block-watch")),
        "{started:?}"
    );
}

#[test]
fn a_module_hears_of_the_crash_and_of_the_return_of_another() {
    let mut rig = Plan::new(As::Root).probe("events").module("tip-log").start();
    let other = rig.started("tip-log", 1);
    rig.wait_for(&["tip-log: connected"]);
    rig.wait_for(&["Z probe ", "subscribed"]);

    kill(other, Signal::SIGKILL).unwrap();

    rig.wait_for(&["Z probe ", "event ModuleCrashed { name: \"tip-log\"", "signal 9"]);
    rig.started("tip-log", 2);
    rig.wait_for(&["Z probe ", "event ModuleLoaded { name: \"tip-log\", version: \"0.1.0\" }"]);
    assert!(rig.interrupt().success());
}

#[test]
fn the_end_is_told_to_a_module_with_the_time_that_it_has() {
    let mut rig = Plan::new(As::Root).probe("events").config("[shutdown]\ngrace_ms = 2500\n").start();
    rig.wait_for(&["Z probe ", "subscribed"]);
    assert!(rig.interrupt().success());
    rig.wait_for(&["Z probe ", "event NodeShutdown { grace_ms: 2500 }"]);
    rig.wait_for(&["Z probe ", "goodbye"]);
    rig.wait_for(&["Z probe ", "exited with status 0"]);
}

#[test]
fn a_core_that_starts_again_goes_on_where_its_chain_was() {
    let mut rig = Plan::new(As::Root).module("block-watch").start();
    let core = rig.started("core", 1);
    rig.wait_for_nth(&["block-watch: says (info): block "], 5);

    kill(core, Signal::SIGKILL).unwrap();

    rig.started("core", 2);
    rig.started("block-watch", 2);
    rig.wait_for_nth(&["Z core ", "ready; modules: 1"], 2);
    rig.wait_for_nth(&["Z core ", "node ready tip="], 2);
    eventually("no summary by the second block-watch", || again(&rig) >= 3, || rig.lines().join("\n"));
    assert!(rig.interrupt().success());
    rig.assert_the_core_was_denied_nothing();
    let lines = rig.lines();
    let (before, after) = lines.split_at(end_of_core(&lines));
    let (before, after_restart) = (announced(before), announced(after));
    let ready = &after[position(after, &["Z core ", "node ready tip="])];
    let (tip, height) = ready.split_once("tip=").unwrap().1.split_once(" at height ").unwrap();
    let height: u32 = height.trim().parse().unwrap();
    // What was announced is on the disk; the last block may be there without having been announced.
    let (last, hash) = before.last_key_value().unwrap();
    assert!(height == *last && tip == hash || height == *last + 1, "{before:?} and then {ready}");
    // The operator's line comes first, so the last one before the crash may be told again; no block is passed over.
    let first = *after_restart.first_key_value().unwrap().0;
    assert!(first == *last || first == *last + 1, "{before:?} and then {after_restart:?}");
    let whole: BTreeMap<_, _> = before.into_iter().chain(after_restart).collect();
    assert!(whole.keys().zip(whole.keys().skip(1)).all(|(block, next)| *next == block + 1), "{whole:?}");
    let of_chain = |(height, hash): &(u32, String)| whole.get(height) == Some(hash);
    assert!(said(&rig).iter().all(of_chain), "{:?}", said(&rig));
    assert!(connected(&rig).iter().all(|summary| whole.get(&summary.height) == Some(&summary.hash)));
}

/// Where the first core's end is told.
fn end_of_core(lines: &[String]) -> usize {
    position(lines, &["Z core ", "starts again in "])
}

/// The summaries that block-watch told of after the first core's end.
fn again(rig: &Rig) -> usize {
    let lines = rig.lines();
    let after = lines.iter().skip(end_of_core(&lines));
    after.filter(|line| line.contains("block-watch: says (info): block ")).count()
}

fn garbage_costs_its_sender_only(act: &str, told: &str) {
    let mut rig = Plan::new(As::Root)
        .probe(act)
        .module("block-watch")
        .config("[modules]\nrestart = \"never\"\n")
        .start();
    let (core, other) = (rig.started("core", 1), rig.started("block-watch", 1));
    rig.wait_for(&["Z probe ", "sends garbage"]);
    rig.wait_for(&["Z core ", "probe: session ended: ", told]);
    rig.wait_for(&["probe: crashed: ", told, "it is not started again"]);
    let seen = said(&rig).len();
    eventually("block-watch stopped", || said(&rig).len() > seen + 2, || rig.lines().join("\n"));
    assert!(is_alive(core) && is_alive(other));
    assert!(rig.interrupt().success());
}

#[test]
fn garbage_instead_of_a_handshake_costs_only_the_session_of_its_sender() {
    garbage_costs_its_sender_only("garbage", "it broke the protocol");
}

#[test]
fn garbage_after_the_handshake_costs_only_the_session_of_its_sender() {
    garbage_costs_its_sender_only("garbage-later", "it broke the protocol");
}

/// Runs the operator's tool on a rig's installation.
fn tool(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    command.args(arguments).arg("--config").arg(rig.path().join("cofferdam.toml")).output().unwrap()
}

#[test]
fn cofferdam_run_becomes_the_launcher_and_all_runs() {
    let mut rig = Plan::new(As::Root).module("block-watch").run();
    rig.wait_for_nth(&["block-watch: says (info): block "], 2);
    let program = fs::read_link(format!("/proc/{}/exe", rig.pid())).unwrap();
    assert_eq!(program, rig::binary("cofferdam-launcher").canonicalize().unwrap());
    assert!(rig.interrupt().success());
}

#[test]
fn cofferdam_run_without_rights_becomes_the_launcher_and_all_runs() {
    let mut rig = Plan::new(As::User).module("tip-log").run();
    rig.wait_for_nth(&["tip-log: says (info): block "], 2);
    assert!(rig.interrupt().success());
}

#[test]
fn check_and_audit_answer_for_what_is_running() {
    let mut rig = Plan::new(As::Root).module("block-watch").module("tip-log").start();
    rig.wait_for(&["block-watch: connected"]);
    let check = tool(&rig, &["check"]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && said.ends_with("check: all of it can run\n"), "{said}");
    assert!(said.contains("block-watch 0.1.0") && said.contains("tip-log 0.1.0"), "{said}");
    let audit = tool(&rig, &["audit", "block-watch"]);
    let page = String::from_utf8(audit.stdout).unwrap();
    assert!(audit.status.success() && page.starts_with("MODULE block-watch 0.1.0\n"), "{page}");
    assert!(page.contains("\n  read_blockchain\n") && page.contains("    get_block "), "{page}");
    assert!(rig.interrupt().success());
}
