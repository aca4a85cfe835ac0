//! The node API as an operator and modules use it, end to end: the real launcher, the confined core, confined modules,
//! and outside of it curl, a Bitcoin JSON-RPC library and a parser of metrics that nobody here wrote.
//!
//! The probe does what it is ordered to over JSON-RPC, so that a test reads as what modules do.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod rig;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use bitcoincore_rpc::{Auth, Client, RpcApi};
use cofferdam_regtest_node::{BRANCH_A, RegtestNode};
use nix::sys::signal::{Signal, kill};
use openmetrics_parser::prometheus::parse_prometheus;
use rig::{As, Plan, Rig, eventually};
use serde_json::{Value, json};

/// What blocks of the development chain pay to.
const PAYOUT: &str = "51";

/// Ends it, and fails if its sandbox kept anything from the core.
fn end(mut rig: Rig) {
    assert!(rig.interrupt().success());
    rig.assert_the_core_was_denied_nothing();
}

fn two_watchers(who: As) -> Rig {
    let settings = format!(
        "[modules.module_configs.fee-watch]\nrefresh_seconds = \"1\"\n\
         [modules.module_configs.output-watch]\naddresses = \"{PAYOUT}\"\nstart_height = \"1\"\n"
    );
    let rig = Plan::with_interface(who).module("fee-watch").module("output-watch").config(&settings).start();
    rig.wait_for(&["output-watch: says (info): the index is at block"]);
    let is_offered =
        || rig.call("help", &json!([])).is_ok_and(|help| help.to_string().contains("fee_watch_summary"));
    eventually("fee-watch offers nothing", is_offered, || rig.lines().join("\n"));
    rig
}

fn curl_calls_the_methods_of_modules(who: As) {
    let rig = two_watchers(who);
    let help = rig.call("help", &json!([])).unwrap().to_string();
    for method in ["fee_watch_estimate", "fee_watch_summary", "output_watch_watch", "output_watch_balance"] {
        assert!(help.contains(method), "{help}");
    }
    let summary = rig.call("fee_watch_summary", &json!([])).unwrap();
    assert_eq!(summary["mempool"]["transactions"], json!(0), "{summary}");
    let paid = || rig.call("output_watch_balance", &json!([PAYOUT])).unwrap()["sats"].as_u64() > Some(0);
    eventually("no block pays", paid, || rig.lines().join("\n"));
    let balance = rig.call("output_watch_balance", &json!([PAYOUT])).unwrap();
    assert_eq!(balance["sats"].as_u64().unwrap(), balance["outputs"].as_u64().unwrap() * 5_000_000_000);
    // What nobody offers and what cannot be right are errors with their codes.
    assert!(rig.call("fee_watch_nothing", &json!([])).unwrap_err().starts_with("-32601: "));
    assert!(rig.call("output_watch_balance", &json!([7])).unwrap_err().starts_with("-32602: "));
    end(rig);
}

#[test]
fn curl_calls_the_methods_of_two_modules() {
    curl_calls_the_methods_of_modules(As::Root);
}

#[test]
fn curl_calls_the_methods_of_two_modules_of_a_launcher_without_rights() {
    curl_calls_the_methods_of_modules(As::User);
}

#[test]
fn a_wrong_cookie_opens_nothing_and_the_right_one_does() {
    let rig = two_watchers(As::Root);
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"fee_watch_summary","params":[]}"#;
    let right = rig.cookie();
    let wrong = format!("{}0", &right[..right.len() - 1]);
    let wrong = if wrong == right { format!("{}1", &right[..right.len() - 1]) } else { wrong };
    for path in ["/", "/metrics"] {
        let data: &[&str] = if path == "/" { &["--data", request] } else { &[] };
        let status = |user: &[&str]| rig.curl(path, &[user, data].concat()).status;
        assert_eq!(status(&[]), 401, "{path}");
        assert_eq!(status(&["--user", &wrong]), 401, "{path}");
        assert_eq!(status(&["--user", &right]), 200, "{path}");
    }
    // Only the launcher's user reads the cookie.
    let mode = fs::metadata(rig.path().join("state/interface.cookie")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    end(rig);
}

/// The samples of a family: the module of each.
fn modules_of(text: &str, family: &str) -> Vec<String> {
    // The format lets the series of a family differ in their labels; this parser does not: one family at a time.
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let of_family = |lines: &&[&str]| lines[0].split(' ').nth(2) == Some(family);
    let Some(chunk) = lines.chunk_by(|_, next| !next.starts_with("# HELP ")).find(of_family) else {
        return Vec::new();
    };
    let parsed = parse_prometheus(&chunk.concat()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let samples = parsed.families[family].iter_samples();
    samples
        .map(|sample| sample.get_labelset().unwrap().get_label_value("module").unwrap().to_owned())
        .collect()
}

#[test]
fn the_metrics_of_modules_are_read_by_a_parser_of_prometheus_text() {
    let rig = two_watchers(As::Root);
    let fetch = || {
        let answered = rig.curl("/metrics", &["--user", &rig.cookie()]);
        assert_eq!(answered.status, 200);
        answered.body
    };
    let size = "cofferdam_module_gauge_mempool_virtual_bytes";
    eventually("fee-watch reports nothing", || !modules_of(&fetch(), size).is_empty(), fetch);
    let text = fetch();
    assert_eq!(modules_of(&text, size), ["fee-watch"]);
    assert_eq!(modules_of(&text, "cofferdam_module_counter_transactions_total"), ["fee-watch"]);
    // Every family of the host's own can be read too, and names both modules where it is about modules.
    let families = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let of_both = families.filter(|family| modules_or_none(&text, family) == ["fee-watch", "output-watch"]);
    assert!(of_both.count() >= 3, "{text}");
    end(rig);
}

fn modules_or_none(text: &str, family: &str) -> Vec<String> {
    if text.contains(&format!("{family}{{module=")) { modules_of(text, family) } else { Vec::new() }
}

#[test]
fn a_bitcoin_rpc_library_calls_a_method_of_a_confined_module() {
    let rig = two_watchers(As::Root);
    let client = |cookie: &str| {
        let (user, password) = cookie.split_once(':').unwrap();
        Client::new(
            &format!("http://{}", rig.address()),
            Auth::UserPass(user.to_owned(), password.to_owned()),
        )
        .unwrap()
    };
    let balance: Value = client(&rig.cookie()).call("output_watch_balance", &[json!(PAYOUT)]).unwrap();
    assert!(balance["height"].is_u64(), "{balance}");
    let refused = client("__cookie__:wrong").call::<Value>("output_watch_balance", &[json!(PAYOUT)]);
    assert!(format!("{refused:?}").contains("401"), "{refused:?}");
    end(rig);
}

#[test]
fn what_a_module_stored_is_there_after_the_core_was_killed() {
    let storage = ["read_storage", "write_storage", "manage_storage"];
    let rig = Plan::with_interface(As::Root).obedient("probe", &storage, "").start();
    let core = rig.started("core", 1);
    rig.wait_until_it_obeys("probe", 1);
    assert_eq!(rig.order("probe", &json!(["get", "tree", "key"])), Ok(Value::Null));
    for number in 0..20 {
        rig.order("probe", &json!(["insert", "tree", format!("key{number}"), format!("value{number}")]))
            .unwrap();
    }

    kill(core, Signal::SIGKILL).unwrap();

    rig.wait_until_it_obeys("probe", 2);
    for number in 0..20 {
        let found = rig.order("probe", &json!(["get", "tree", format!("key{number}")]));
        assert_eq!(found, Ok(json!(format!("value{number}"))));
    }
    end(rig);
}

const ALL_OF_FILES: [&str; 3] = ["read_filesystem", "write_filesystem", "manage_filesystem"];

fn a_module_and_the_core_see_the_same_files(who: As) {
    let rig = Plan::with_interface(who).obedient("probe", &ALL_OF_FILES, "").start();
    rig.wait_until_it_obeys("probe", 1);
    let order = |order: Value| rig.order("probe", &order);
    assert_eq!(order(json!(["write_file", "by-core", "one"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_itself", "/data/by-core"])), Ok(json!("one")));
    assert_eq!(order(json!(["write_itself", "/data/by-module", "two"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_file", "by-module"])), Ok(json!("two")));
    // Each may replace what the other made, and take it away.
    assert_eq!(order(json!(["write_file", "by-module", "three"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_itself", "/data/by-module"])), Ok(json!("three")));
    assert_eq!(order(json!(["write_itself", "/data/by-core", "four"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_file", "by-core"])), Ok(json!("four")));
    assert_eq!(order(json!(["create_directory", "folder"])), Ok(Value::Null));
    assert_eq!(order(json!(["write_itself", "/data/folder/five", "5"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_file", "folder/five"])), Ok(json!("5")));
    assert_eq!(order(json!(["list_directory", ""])), Ok(json!(["by-core", "by-module", "folder"])));
    assert_eq!(order(json!(["delete_file", "by-module"])), Ok(Value::Null));
    assert_eq!(order(json!(["read_itself", "/data/by-module"])), Err("1: NotFound".to_owned()));
    // Nothing leads out.
    assert!(order(json!(["read_file", "../../cofferdam.toml"])).unwrap_err().contains("InvalidArgument"));
    end(rig);
}

#[test]
fn a_module_and_the_core_see_the_same_files_though_they_are_different_users() {
    a_module_and_the_core_see_the_same_files(As::Root);
}

#[test]
fn a_module_and_the_core_of_a_launcher_without_rights_see_the_same_files() {
    a_module_and_the_core_see_the_same_files(As::User);
}

#[test]
fn a_module_without_the_capability_is_denied_files_and_why_names_it() {
    let rig = Plan::with_interface(As::Root).obedient("probe", &["write_filesystem"], "").start();
    rig.wait_until_it_obeys("probe", 1);
    // The control: what is granted works, in the same session.
    assert_eq!(rig.order("probe", &json!(["write_file", "file", "content"])), Ok(Value::Null));
    let denied = rig.order("probe", &json!(["read_file", "file"])).unwrap_err();
    assert_eq!(denied, "1: PermissionDenied { capability: \"read_filesystem\", call: \"read_file\" }");
    rig.wait_for(&["Z core ", "probe: refused read_file: needs read_filesystem"]);
    let why = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        let output =
            command.args(["why", "probe", "--config"]).arg(rig.path().join("cofferdam.toml")).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let is_told = || why().contains("read_file") && why().contains("\"read_filesystem\"");
    eventually("cofferdam why does not name it", is_told, why);
    end(rig);
}

#[test]
fn a_timer_fires_again_and_again_and_a_task_once() {
    let rig = Plan::with_interface(As::Root).obedient("probe", &["manage_timers"], "").start();
    rig.wait_until_it_obeys("probe", 1);
    rig.order("probe", &json!(["schedule_task", 100, "task"])).unwrap();
    let timer = rig.order("probe", &json!(["register_timer", 100, "timer"])).unwrap();
    let fired = || rig.order("probe", &json!(["fired"])).unwrap();
    eventually("it does not fire", || fired()["timer"].as_u64() >= Some(5), || fired().to_string());
    assert_eq!(fired()["task"], json!(1));
    assert_eq!(rig.order("probe", &json!(["cancel_timer", timer])), Ok(json!(true)));
    assert_eq!(rig.order("probe", &json!(["cancel_timer", timer])), Ok(json!(false)));
    let at_the_end = fired();
    // Time in which it would fire: that of another task.
    rig.order("probe", &json!(["schedule_task", 500, "later"])).unwrap();
    eventually("the task is lost", || fired()["later"] == json!(1), || fired().to_string());
    assert_eq!((&fired()["timer"], &fired()["task"]), (&at_the_end["timer"], &json!(1)));
    end(rig);
}

fn pair(capabilities: &[&str], lines: &str) -> Rig {
    let rig = Plan::with_interface(As::Root)
        .obedient("probe", capabilities, lines)
        .obedient("other", capabilities, "")
        .start();
    rig.wait_until_it_obeys("probe", 1);
    rig.wait_until_it_obeys("other", 1);
    rig
}

#[test]
fn two_modules_call_each_other_and_a_circle_is_refused() {
    let rig = pair(&["call_module", "register_module_api"], "");
    for (from, to) in [("probe", "other"), ("other", "probe")] {
        // The callee is told who calls, by the host.
        assert_eq!(rig.order(from, &json!(["call_module", to, "do", ["caller"]])), Ok(json!(from)));
        let back = json!(["call_module", to, "do", ["call_module", from, "do", ["caller"]]]);
        let refused = rig.order(from, &back).unwrap_err();
        assert!(
            refused.contains("CallCycle") && refused.contains(&format!("{from} > {to} > {from}")),
            "{refused}"
        );
    }
    let nobody = rig.order("probe", &json!(["call_module", "nobody", "do", []])).unwrap_err();
    assert!(nobody.contains("ModuleNotFound"), "{nobody}");
    end(rig);
}

#[test]
fn only_a_granted_event_is_published_and_its_publisher_is_the_hosts_word() {
    let rig = pair(&["publish_events", "subscribe_events"], "publish_events = [\"PaymentSettled\"]\n");
    for event in ["PaymentSettled", "PaymentFailed"] {
        rig.order("other", &json!(["subscribe_events", event])).unwrap();
    }
    let publish =
        |name: &str, event: &str| rig.order(name, &json!(["publish_event", event, "publisher: root"]));
    assert!(publish("probe", "PaymentFailed").unwrap_err().contains("EventNotGranted"));
    assert!(publish("other", "PaymentSettled").unwrap_err().contains("EventNotGranted"));
    let of_core = publish("probe", "NewBlock").unwrap_err();
    assert!(of_core.contains("InvalidArgument") && of_core.contains("comes from the host"), "{of_core}");
    let cursor = publish("probe", "PaymentSettled").unwrap();
    let heard = || rig.order("other", &json!(["events"])).unwrap();
    eventually("nothing is heard", || heard() != json!([]), || rig.lines().join("\n"));
    let heard = heard();
    assert_eq!((heard.as_array().unwrap().len(), &heard[0]["cursor"]), (1, &cursor), "{heard}");
    let what = heard[0]["what"].as_str().unwrap();
    assert!(what.starts_with("PaymentSettled(") && what.contains("publisher: \"probe\""), "{what}");
    end(rig);
}

#[test]
fn a_pair_of_modules_settles_an_invoice_and_answers_the_host_for_its_state() {
    let settings = "[modules]\nlightning = \"invoice-desk\"\n\
                    [modules.module_configs.output-watch]\ndescriber = \"invoice-desk\"\n";
    let rig = Plan::with_interface(As::Root)
        .module("output-watch")
        .module("invoice-desk")
        .config(settings)
        .obedient("probe", &["read_payment"], "")
        .start();
    rig.wait_for(&["invoice-desk: says (info): open, with 0 invoices"]);
    rig.wait_until_it_obeys("probe", 1);
    let state = |id: &str| rig.order("probe", &json!(["get_payment_state", id])).unwrap();
    assert_eq!(state("1"), Value::Null);

    // Two blocks' worth, to what every block pays: output-watch is called to watch it.
    let made = rig.call("invoice_desk_create", &json!([PAYOUT, 9_000_000_000_u64, "hashing"])).unwrap();
    assert_eq!((&made["id"], &made["script"]), (&json!("1"), &json!(PAYOUT)));
    assert_eq!(state("1")["amount_msats"], json!(9_000_000_000_000_u64));
    eventually("it is not settled", || state("1")["status"] == json!("Settled"), || rig.lines().join("\n"));
    let paid = rig.call("invoice_desk_get", &json!(["1"])).unwrap();
    assert!(paid["paid_sats"].as_u64() >= Some(10_000_000_000), "{paid}");
    // And the other way round: output-watch asks what the script is for.
    let balance = rig.call("output_watch_balance", &json!([PAYOUT])).unwrap();
    assert_eq!(balance["described"]["memo"], json!("hashing"), "{balance}");
    end(rig);
}

/// The blocks that the probe heard of: cursor and hash, in the order of their arrival.
fn heard_blocks(rig: &Rig) -> Vec<(u64, String)> {
    let heard = rig.order("probe", &json!(["events"])).unwrap();
    let block = |event: &Value| {
        let what = event["what"].as_str().unwrap();
        let hash = what.strip_prefix("NewBlock { hash: ").unwrap_or_else(|| panic!("{what}"));
        let hash = hash.split(',').next().unwrap().to_owned();
        (event["cursor"].as_u64().unwrap(), hash)
    };
    heard.as_array().unwrap().iter().map(block).collect()
}

#[test]
fn blocks_mined_on_regtest_while_the_core_was_down_are_announced_once_with_growing_cursors() {
    let node = RegtestNode::start(&[]);
    node.mine(2, BRANCH_A);
    let config = format!(
        "[node]\nbackend = \"bitcoind\"\n[node.bitcoind]\nrpc = \"{}\"\ncookie_file = \"{}\"\nchain = \"regtest\"\n\
         poll_interval_ms = 100\n",
        node.rpc(),
        node.cookie_file().display()
    );
    let plan = Plan::with_interface(As::Root).obedient("probe", &["subscribe_events"], "");
    let rig = plan.config(&config).start();
    let core = rig.started("core", 1);
    rig.wait_for(&["Z core ", "node ready tip="]);
    rig.wait_until_it_obeys("probe", 1);
    rig.order("probe", &json!(["subscribe_events", "NewBlock"])).unwrap();
    let mut mined: Vec<String> = Vec::new();
    let mut mine = |blocks| mined.extend(node.mine(blocks, BRANCH_A).iter().map(ToString::to_string));
    mine(3);
    eventually("blocks are missing", || heard_blocks(&rig).len() == 3, || rig.lines().join("\n"));
    let before = heard_blocks(&rig);

    // The launcher stands still, so that no core is there while blocks are mined.
    kill(rig.pid(), Signal::SIGSTOP).unwrap();
    kill(core, Signal::SIGKILL).unwrap();
    mine(5);
    kill(rig.pid(), Signal::SIGCONT).unwrap();

    rig.wait_until_it_obeys("probe", 2);
    rig.order("probe", &json!(["subscribe_events", "NewBlock", before[2].0])).unwrap();
    eventually("blocks are missing", || heard_blocks(&rig).len() >= 5, || rig.lines().join("\n"));
    mine(1);
    eventually("the last is missing", || heard_blocks(&rig).len() >= 6, || rig.lines().join("\n"));
    let all = [before, heard_blocks(&rig)].concat();
    let (cursors, hashes): (Vec<u64>, Vec<String>) = all.into_iter().unzip();
    assert_eq!(hashes, mined);
    assert!(cursors.is_sorted_by(|one, next| one < next), "{cursors:?}");
    end(rig);
}
