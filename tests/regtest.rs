//! A module beside a real node on its regression-test chain: node, RPC and ZMQ, the confined core, the confined
//! module, with nothing replaced. What the module was told is compared with what the node says itself.
//!
//! Needs `COFFERDAM_REGTEST_NODE`, the directory that `scripts/install-regtest-node.sh` fills; fails without it.
//! Each test has `regtest` in its name, by which `scripts/test.sh --without-node` leaves it out.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod rig;
mod summaries;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cofferdam_regtest_node::{BRANCH_A, BRANCH_B, RegtestNode};
use nix::sys::signal::{Signal, kill};
use rig::{As, Plan, Rig, eventually};
use summaries::{blocks, connected, disconnected, said};

/// How the core learns of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notify {
    Zmq,
    Polling,
}

/// A config that names this node, as one of `chain`.
fn config(node: &RegtestNode, chain: &str, notify: Notify) -> String {
    let cookie = format!("cookie_file = \"{}\"", node.cookie_file().display());
    config_with(node, chain, notify, &cookie)
}

fn config_with(node: &RegtestNode, chain: &str, notify: Notify, auth: &str) -> String {
    // Far apart where ZMQ tells of blocks: a test that passes cannot owe it to polling.
    let (zmq, poll_interval_ms) = match notify {
        Notify::Zmq => (format!("zmq = \"tcp://{}\"\n", node.zmq()), 3_600_000),
        Notify::Polling => (String::new(), 100),
    };
    format!(
        "[node]\nbackend = \"bitcoind\"\n[node.bitcoind]\nrpc = \"{}\"\n{auth}\nchain = \"{chain}\"\n\
         {zmq}poll_interval_ms = {poll_interval_ms}\n",
        node.rpc()
    )
}

/// What the probe prints of each event.
const EVENT: &str = "event ";

fn watching(node: &RegtestNode, notify: Notify) -> Rig {
    watch(node, Plan::new(As::Root).config(&config(node, "regtest", notify)))
}

/// Starts block-watch, and waits until it is heard of.
fn watch(node: &RegtestNode, plan: Plan) -> Rig {
    let rig = plan.module("block-watch").start();
    rig.wait_for(&["Z core ", "node ready tip="]);
    rig.wait_for(&["block-watch: connected"]);
    // It subscribes a moment later, and says nothing about it: the first block that it summarises shows it.
    let mined = || {
        node.mine(1, BRANCH_A);
        !said(&rig).is_empty()
    };
    eventually("block-watch says nothing", mined, || rig.lines().join("\n"));
    rig
}

/// Waits until block-watch has summarised the node's best block.
fn wait_for_tip(rig: &Rig, node: &RegtestNode) {
    let tip = node.cli(&["getbestblockhash"]);
    let is_there = || said(rig).last().is_some_and(|(_, hash)| *hash == tip);
    eventually(&format!("no summary of {tip}"), is_there, || rig.lines().join("\n"));
}

/// Ends it, and fails if its sandbox kept anything from the core.
fn end(mut rig: Rig) -> Rig {
    assert!(rig.interrupt().success());
    rig.assert_the_core_was_denied_nothing();
    rig
}

/// Fails unless the summaries are, from the first one up, the node's best chain: each block, with what is in it.
fn assert_summaries_are_the_chain(rig: &Rig, node: &RegtestNode) {
    let written = connected(rig);
    let tip: u32 = node.cli(&["getblockcount"]).parse().unwrap();
    let heights: Vec<u32> = written.iter().map(|summary| summary.height).collect();
    assert_eq!(heights, (written[0].height..=tip).collect::<Vec<_>>());
    for summary in &written {
        assert_eq!(summary.hash, node.cli(&["getblockhash", &summary.height.to_string()]));
        let block: serde_json::Value =
            serde_json::from_str(&node.cli(&["getblock", &summary.hash, "1"])).unwrap();
        assert_eq!(Some(summary.number("time")), block["time"].as_u64(), "{summary:?}");
        assert_eq!(Some(summary.number("transactions")), block["nTx"].as_u64(), "{summary:?}");
        assert_eq!(Some(summary.number("size_bytes")), block["size"].as_u64(), "{summary:?}");
        let stats = node.cli(&["getblockstats", &summary.hash, r#"["subsidy","total_out"]"#]);
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        let paid = stats["subsidy"].as_u64().unwrap() + stats["total_out"].as_u64().unwrap();
        assert_eq!(summary.number("output_sats"), paid, "{summary:?}");
    }
}

fn mined_blocks_are_summarised(notify: Notify) {
    let node = RegtestNode::start(&[]);
    let rig = watching(&node, notify);
    node.mine(1, BRANCH_A);
    node.mine(20, BRANCH_A);
    node.mine(2, BRANCH_B);
    wait_for_tip(&rig, &node);
    let rig = end(rig);
    assert_summaries_are_the_chain(&rig, &node);
    let said = said(&rig);
    assert!(said.len() >= 24);
    assert!(said.iter().zip(said[0].0..).all(|((height, _), expected)| *height == expected), "{said:?}");
}

#[test]
fn blocks_mined_on_regtest_are_summarised_in_order_and_once_with_zmq() {
    mined_blocks_are_summarised(Notify::Zmq);
}

#[test]
fn blocks_mined_on_regtest_are_summarised_in_order_and_once_with_polling() {
    mined_blocks_are_summarised(Notify::Polling);
}

#[test]
fn blocks_mined_on_regtest_are_summarised_by_a_launcher_without_rights() {
    let node = RegtestNode::start(&[]);
    // The node's operator lets the user read the cookie.
    let cookie = node.cookie_file();
    for (path, mode) in cookie.ancestors().zip([0o644, 0o711, 0o711]) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let rig = watch(&node, Plan::new(As::User).config(&config(&node, "regtest", Notify::Zmq)));
    node.mine(5, BRANCH_A);
    wait_for_tip(&rig, &node);
    let rig = end(rig);
    assert_summaries_are_the_chain(&rig, &node);
}

/// What `rpcauth` says for [`PASSWORD`]: a salt, and its HMAC-SHA-256.
const RPCAUTH: &str = "-rpcauth=cofferdam:0123456789abcdef0123456789abcdef\
                       $90ff3ce205bece1c447b777562931b92721a1956552484506bf368ee0278bcd3";
const PASSWORD: &str = "correct horse battery staple";

#[test]
fn a_regtest_node_is_reached_with_a_password_from_a_file_and_a_wrong_one_is_told() {
    let node = RegtestNode::start(&[RPCAUTH]);
    let auth = "rpc_user = \"cofferdam\"\nrpc_password_file = \"password\"";
    let plan = || Plan::new(As::Root).config(&config_with(&node, "regtest", Notify::Polling, auth));
    let right = plan();
    fs::write(right.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    let rig = watch(&node, right);
    node.mine(2, BRANCH_A);
    wait_for_tip(&rig, &node);
    assert!(!rig.lines().iter().any(|line| line.contains(PASSWORD)));
    assert_summaries_are_the_chain(&end(rig), &node);

    let wrong = plan().probe("");
    fs::write(wrong.path().join("password"), "wrong").unwrap();
    let rig = wrong.start();
    let line = rig.wait_for(&["Z core ", "node ", "credentials for the node: "]);
    assert!(line.contains("401") && !line.contains("wrong"), "{line}");
    end(rig);
}

/// The events that the probe printed, in the order of their arrival.
fn events(rig: &Rig) -> Vec<String> {
    let lines = rig.lines();
    let probe = lines.iter().filter(|line| line.contains("Z probe "));
    probe.filter_map(|line| line.split_once(EVENT)).map(|(_, event)| event.trim_end().to_owned()).collect()
}

fn reorganisation_is_told_in_full(notify: Notify) {
    let node = RegtestNode::start(&[]);
    node.mine(3, BRANCH_A);
    let old = node.mine(2, BRANCH_A);
    node.cli(&["invalidateblock", &old[0].to_string()]);
    let new = node.mine(4, BRANCH_B);
    node.cli(&["invalidateblock", &new[0].to_string()]);
    node.cli(&["reconsiderblock", &old[0].to_string()]);
    let rig = Plan::new(As::Root).probe("chain").config(&config(&node, "regtest", notify)).start();
    rig.wait_for(&["Z core ", "node ready tip=", &old[1].to_string(), "at height 5"]);
    rig.wait_for(&["Z probe ", "subscribed"]);

    // The longer branch becomes valid again: the node goes over to it in one step.
    node.cli(&["reconsiderblock", &new[0].to_string()]);

    let expected = [
        format!("- 5 {}", old[1]),
        format!("- 4 {}", old[0]),
        format!("+ 4 {}", new[0]),
        format!("+ 5 {}", new[1]),
        format!("+ 6 {}", new[2]),
        format!("+ 7 {}", new[3]),
        format!("reorg {} {} above 3 depth 2", old[1], new[3]),
    ];
    eventually("events are missing", || events(&rig).len() >= expected.len(), || rig.lines().join("\n"));
    assert_eq!(events(&rig), expected);
    // The module ends where the node stands, and a block on top is told as ever.
    assert_eq!(node.cli(&["getbestblockhash"]), new[3].to_string());
    let top = node.mine(1, BRANCH_A)[0];
    rig.wait_for(&["Z probe ", &format!("{EVENT}+ 8 {top}")]);
    assert_eq!(events(&rig).len(), expected.len() + 1);
    end(rig);
}

#[test]
fn a_reorganisation_on_regtest_is_told_to_a_module_in_full_and_in_order_with_zmq() {
    reorganisation_is_told_in_full(Notify::Zmq);
}

#[test]
fn a_reorganisation_on_regtest_is_told_to_a_module_in_full_and_in_order_with_polling() {
    reorganisation_is_told_in_full(Notify::Polling);
}

#[test]
fn summaries_of_blocks_that_left_the_regtest_chain_are_marked_and_the_others_are_the_chain() {
    let node = RegtestNode::start(&[]);
    let rig = watching(&node, Notify::Zmq);
    let old = node.mine(3, BRANCH_A);
    wait_for_tip(&rig, &node);
    node.cli(&["invalidateblock", &old[1].to_string()]);
    node.mine(4, BRANCH_B);
    wait_for_tip(&rig, &node);
    rig.wait_for(&["block-watch: says (warn): reorganised: 2 blocks above "]);
    let rig = end(rig);
    assert_eq!(disconnected(&rig), [old[1].to_string(), old[2].to_string()]);
    assert_summaries_are_the_chain(&rig, &node);
}

fn restart_of_the_node_loses_no_block(notify: Notify) {
    let mut node = RegtestNode::start(&[]);
    let rig = watching(&node, notify);
    let core = rig.started("core", 1);
    node.mine(3, BRANCH_A);
    wait_for_tip(&rig, &node);
    let old_cookie = fs::read(node.cookie_file()).unwrap();
    node.stop();
    rig.wait_for(&["Z core ", "node lost"]);
    // It stands still while the node comes back with another cookie and goes on: cut off, it cannot have seen it.
    kill(core, Signal::SIGSTOP).unwrap();
    node.launch();
    assert_ne!(fs::read(node.cookie_file()).unwrap(), old_cookie);
    node.mine(5, BRANCH_A);
    kill(core, Signal::SIGCONT).unwrap();
    wait_for_tip(&rig, &node);
    rig.wait_for_nth(&["Z core ", "node ready tip="], 2);
    node.mine(2, BRANCH_A);
    wait_for_tip(&rig, &node);
    let rig = end(rig);
    assert_summaries_are_the_chain(&rig, &node);
    // The same core and the same module all the time.
    assert_eq!(rig.lines().iter().filter(|line| line.contains("started: pid ")).count(), 2);
    let announced = blocks(&rig, "block-watch: says (info): block ");
    assert!(announced.iter().zip(announced[0].0..).all(|((height, _), expected)| *height == expected));
}

#[test]
fn a_restart_of_the_regtest_node_loses_no_block_with_zmq() {
    restart_of_the_node_loses_no_block(Notify::Zmq);
}

#[test]
fn a_restart_of_the_regtest_node_loses_no_block_with_polling() {
    restart_of_the_node_loses_no_block(Notify::Polling);
}

/// A rig whose probe may read blocks, and asks for a transaction.
fn asking(node: &RegtestNode, chain: &str) -> Rig {
    Plan::new(As::Root)
        .probe("transaction")
        .manifest("probe", "\"subscribe_events\"", "\"read_blockchain\"")
        .config(&config(node, chain, Notify::Polling))
        .start()
}

#[test]
fn a_regtest_node_where_another_chain_is_expected_is_refused_and_both_are_named() {
    let node = RegtestNode::start(&[]);
    node.mine(1, BRANCH_A);
    for chain in ["main", "signet"] {
        let rig = asking(&node, chain);
        let line = rig.wait_for(&["Z core ", "node refused"]);
        assert!(
            line.contains(&format!("wrong chain: expected chain `{chain}`, found chain `regtest`")),
            "{line}"
        );
        assert!(line.contains("correct `chain` or the endpoint in the configuration"), "{line}");
        // The module runs, and is told no more than that it has to wait for the operator.
        let told = rig.wait_for(&["Z probe ", "answer "]);
        assert!(
            told.contains("the node cannot be used as it is configured; the operator's log says why"),
            "{told}"
        );
        end(rig);
    }
}

#[test]
fn a_module_is_told_that_a_regtest_node_without_an_index_cannot_know() {
    let node = RegtestNode::start(&[]);
    node.mine(1, BRANCH_A);
    let rig = asking(&node, "regtest");
    let told = rig.wait_for(&["Z probe ", "answer "]);
    assert!(told.contains("get_transaction: the node cannot know without an index"), "{told}");
    assert!(told.contains("-txindex=1"), "{told}");
    end(rig);

    // The control: with the index it is found.
    let node = RegtestNode::start(&["-txindex=1"]);
    node.mine(1, BRANCH_A);
    let is_indexed = || node.cli(&["getindexinfo", "txindex"]).contains("\"synced\": true");
    eventually("no index", is_indexed, String::new);
    let rig = asking(&node, "regtest");
    let told = rig.wait_for(&["Z probe ", "answer "]);
    assert!(told.contains("is there"), "{told}");
    end(rig);
}
