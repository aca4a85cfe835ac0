//! A core that has fallen to an attacker: the launcher stops it or ignores it, stays in charge, and leaks nothing.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod rig;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use cofferdam_audit::{Reader, Record, location};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use rig::{As, Plan, Rig, eventually};

/// A hostile core, told what to do by the name of the only module.
fn core_that_does(what: &str) -> Rig {
    fallen(Plan::new(As::Root), what)
}

/// The same with an operator's interface at this address, and somebody else who listens on the next port.
fn with_interface(what: &str) -> (Rig, SocketAddr, TcpListener) {
    let (address, next) = (32_001..32_700)
        .find_map(|port: u16| {
            let own = TcpListener::bind(("127.0.0.1", port)).ok()?;
            Some((own.local_addr().ok()?, TcpListener::bind(("127.0.0.1", port + 1)).ok()?))
        })
        .expect("two free ports");
    next.set_nonblocking(true).unwrap();
    let config = format!("[interface]\nenabled = true\nlisten = \"{address}\"\n");
    (fallen(Plan::new(As::Root).config(&config), what), address, next)
}

fn fallen(plan: Plan, what: &str) -> Rig {
    let plan = plan.core("hostile-core").config("[shutdown]\ngrace_ms = 300\n");
    let folder = plan.path().join("modules").join(what);
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("module.toml"),
        format!("name = \"{what}\"\nversion = \"1.0.0\"\nentry_point = \"p\"\n"),
    )
    .unwrap();
    fs::copy(rig::binary("tip-log"), folder.join("p")).unwrap();
    plan.start()
}

#[test]
fn a_core_that_tells_of_a_watched_module_where_none_is_watched_is_killed() {
    let mut rig = core_that_does("tells-of-nobody");
    let core = rig.started("core", 1);
    rig.wait_for(&["Z core ", "error: it tells of a module that is not watched"]);
    rig.interrupt();
    rig.assert_nothing_is_left(&[core]);
}

#[test]
fn a_core_that_never_stops_saying_that_it_has_stopped_is_stopped() {
    let mut rig = core_that_does("stopped-flood");
    let core = rig.started("core", 1);
    rig.signal(Signal::SIGTERM);
    rig.wait();
    rig.assert_nothing_is_left(&[core]);
}

#[test]
fn a_core_that_is_ready_twice_is_killed() {
    let mut rig = core_that_does("ready-flood");
    rig.wait_for(&["Z core ", "it says twice that it is ready"]);
    rig.wait_for(&["Z core ", "starts again"]);
    assert!(rig.interrupt().success());
}

#[test]
fn a_core_that_floods_the_launcher_with_requests_is_held_back() {
    let mut rig = core_that_does("start-flood");
    rig.wait_for_nth(&["not a module of the roster"], 100);
    let before = (Instant::now(), rig.lines().len());
    std::thread::sleep(Duration::from_secs(2));
    let lines = rig.lines().len() - before.1;
    let seconds = before.0.elapsed().as_secs_f64();
    // 1000 at once and 50 a second: what it can still have had, and a third more.
    assert!((lines as f64) < 1000.0 + seconds * 50.0 * 1.33, "{lines} lines in {seconds} s");
    rig.signal(Signal::SIGTERM);
    rig.wait();
}

#[test]
fn a_core_that_starts_and_stops_a_module_without_end_does_not_fill_the_audit_log() {
    let mut rig = core_that_does("start-stop");
    rig.wait_for_nth(&["start-stop", "it was started too often"], 20);
    assert!(rig.interrupt().success());
    let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
    let of_module = log.lines().filter(|line| line.contains("\"start-stop\""));
    let launches = of_module.clone().filter(|line| line.contains("\"launch\"")).count();
    assert!((10..=61).contains(&launches), "{launches} launches are recorded");
    assert!(of_module.clone().any(|line| line.contains("starts beyond one a minute")), "{log}");
    assert!(of_module.count() < 3 * 61 + 10, "and no line more for those that were refused");
}

/// A state directory of two megabytes, which only this test sees: others go on with a disk that has room.
fn small_disk(plan: &Plan) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let state = plan.path().join("state");
    fs::create_dir(&state).unwrap();
    mount(Some("tmpfs"), &state, Some("tmpfs"), MsFlags::empty(), Some("size=2m,mode=711")).unwrap();
}

/// What the log has room for ahead is used up by denials, as far as they are written one by one.
#[test]
fn a_core_that_fills_the_disk_and_then_the_log_gets_no_module_started_that_is_not_recorded() {
    if !rig::root_for("what is not recorded on a full disk is not launched") {
        return;
    }
    let plan = Plan::new(As::Root);
    small_disk(&plan);
    let mut rig = fallen(plan, "fills-disk");
    rig.wait_for(&["Z core ", "there is no room any more"]);
    rig.wait_for(&["Z fills-disk ", "free space on its disk", "nothing is launched that cannot be recorded"]);
    assert!(!rig.lines().iter().any(|line| line.contains("Z fills-disk ") && line.contains("started: ")));
    let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
    assert!(log.len() > 100 * 1024, "it had room ahead: {} bytes", log.len());
    assert!(log.ends_with('\n'), "a line that could not be written whole was taken back");
    fs::remove_file(rig.path().join("state/core/fill")).unwrap();
    assert!(rig.interrupt().success());
    // What could not be written is counted, and the chain is whole.
    let records: Vec<Record> = Reader::open(&location(&rig.path().join("state")))
        .unwrap()
        .map(|entry| entry.unwrap().record)
        .collect();
    assert!(records.iter().any(|record| matches!(record, Record::Unwritten { count } if *count > 1)));
    let launched =
        |record: &&Record| matches!(record, Record::Launch { subject, .. } if subject.as_str() != "core");
    assert_eq!(records.iter().filter(launched).count(), 0);
}

#[test]
fn the_same_core_gets_its_module_started_and_recorded_where_the_disk_has_room() {
    let mut rig = fallen(Plan::new(As::Root), "fills-log");
    rig.started("fills-log", 1);
    assert!(rig.interrupt().success());
    let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
    assert!(log.len() > 256 * 1024, "more than there is room for ahead: {} bytes", log.len());
}

#[test]
fn a_core_cannot_ask_for_anything_but_a_name_of_the_roster() {
    for what in ["garbage", "looser"] {
        let mut rig = core_that_does(what);
        rig.wait_for(&["Z core ", "control message not understood"]);
        rig.wait_for(&["Z core ", "starts again"]);
        assert!(
            !rig.lines().iter().any(|line| line.contains(&format!("Z {what}")) && line.contains("started"))
        );
        assert!(rig.interrupt().success());
    }
}

#[test]
fn descriptors_that_a_core_sends_are_closed() {
    let mut rig = core_that_does("descriptors");
    rig.started("core", 2);
    let with_second = rig.descriptors();
    rig.started("core", 4);
    // The fourth core's life costs no more than the second's.
    eventually(
        "descriptors leak",
        || rig.descriptors() <= with_second,
        || format!("{with_second}, {}", rig.descriptors()),
    );
    assert!(rig.interrupt().success());
}

#[test]
fn a_core_that_never_reads_is_killed_and_the_launcher_answers_signals_meanwhile() {
    let mut rig = core_that_does("deaf");
    let core = rig.started("core", 1);
    rig.wait_for(&["Z core ", "the core has not read its last"]);
    rig.signal(Signal::SIGTERM);
    rig.wait();
    rig.assert_nothing_is_left(&[core]);
}

#[test]
fn a_core_that_accuses_who_is_no_module_is_killed_and_writes_nothing() {
    let mut rig = core_that_does("accuses-others");
    rig.wait_for(&["Z core ", "denials of m0, which is no module of the roster"]);
    rig.wait_for(&["Z core ", "starts again"]);
    let log = fs::read_to_string(rig.path().join("state/audit/log.jsonl")).unwrap();
    assert!(log.contains(r#""event":"launch""#) && !log.contains(r#""subject":"m"#), "{log}");
    assert!(rig.interrupt().success());
}

#[test]
fn a_core_that_shuts_the_operators_socket_down_does_so_for_itself_alone() {
    let (mut rig, address, _next) = with_interface("shuts-listener");
    rig.wait_for(&["Z core ", "shut down: Ok"]);
    rig.started("core", 2);
    TcpStream::connect(address).unwrap();
    assert!(rig.interrupt().success());
}

#[test]
fn by_the_operators_socket_a_core_reaches_nobody_on_the_hosts_network() {
    let (mut rig, _address, others) = with_interface("uses-listener");
    rig.wait_for(&["Z core ", "tried shutdown: Ok"]);
    rig.wait_for(&["Z core ", "tried all"]);
    for tried in ["connect", "sendto", "sendto fastopen", "sendmsg", "sendmsg fastopen"] {
        rig.wait_for(&["Z core ", &format!("tried {tried}: Err(")]);
    }
    assert!(others.accept().is_err(), "somebody has connected");
    TcpStream::connect(others.local_addr().unwrap()).unwrap();
    assert!(others.accept().is_ok(), "the control: whoever may connect is heard");
    assert!(rig.interrupt().success());
}
