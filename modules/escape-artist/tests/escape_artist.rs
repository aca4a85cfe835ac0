//! The module as a program, against a host that plays the core. Nothing here is confined, so only attempts are
//! made that harm nobody; what the sandbox makes of all of them is for the tests of the whole system.

#![allow(clippy::expect_used, reason = "a module that cannot be started is a failed test")]

#[path = "../../../src/sdk/tests/fake_host/mod.rs"]
mod fake_host;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use cofferdam_manifest::Manifest;
use cofferdam_protocol::{LogLevel, RequestPayload, ResponsePayload};
use fake_host::{LIMITS, Session};

const PROGRAM: &str = env!("CARGO_BIN_EXE_escape-artist");

/// Starts the module with one attempt to make. The shell makes the socket its descriptor 3, which would need
/// unsafe code here.
fn start(attempt: &str, data_dir: &Path) -> (Child, Session) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a socket can be non-blocking");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" --socket-path fd:3 --data-dir \"$1\" 3<&0 0</dev/null", PROGRAM]);
    command.arg(data_dir).env("MODULE_CONFIG_ATTEMPT", attempt).env("MODULE_CONFIG_EXIT", "true");
    let module = command.stdin(OwnedFd::from(theirs)).spawn().expect("the module starts");
    (module, Session::new(tokio::net::UnixStream::from_std(ours).expect("a socket of tokio's")))
}

async fn next_log(session: &mut Session) -> (LogLevel, String) {
    let request = session.next_request().await;
    session.answer(request.correlation_id, Ok(ResponsePayload::Log(()))).await;
    let RequestPayload::Log { level, message } = request.payload else {
        unreachable!("a log line was expected, not {request:?}")
    };
    (level, message)
}

fn by_hand(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

#[tokio::test]
async fn an_attempt_that_is_let_through_is_logged_as_an_escape_and_reported() {
    let data_dir = tempfile::tempdir().unwrap();
    let (mut module, mut session) = start("read-passwd", data_dir.path());
    session.welcome(LIMITS).await;

    let (level, message) = next_log(&mut session).await;
    assert_eq!(level, LogLevel::Error);
    assert!(message.starts_with("ESCAPED: tried to read /etc/passwd: succeeded, read "), "{message}");
    let (level, message) = next_log(&mut session).await;
    assert_eq!(level, LogLevel::Info);
    assert!(message.starts_with("every attempt is made"), "{message}");

    assert!(module.wait().unwrap().success());
    let report = fs::read_to_string(data_dir.path().join("report.tsv")).unwrap();
    assert!(report.starts_with("read-passwd\tstarted\nread-passwd\tsucceeded\tread "), "{report}");
}

#[tokio::test]
async fn an_attempt_that_was_started_before_is_not_made_again() {
    let data_dir = tempfile::tempdir().unwrap();
    fs::write(data_dir.path().join("report.tsv"), "read-passwd\tstarted\n").unwrap();
    let (mut module, mut session) = start("read-passwd", data_dir.path());
    session.welcome(LIMITS).await;

    let (_, message) = next_log(&mut session).await;
    assert!(message.starts_with("every attempt is made"), "{message}");
    assert!(module.wait().unwrap().success());
    let report = fs::read_to_string(data_dir.path().join("report.tsv")).unwrap();
    assert_eq!(report, "read-passwd\tstarted\n");
}

#[test]
fn started_by_hand_it_attacks_nothing() {
    let output = by_hand(&["--socket-path", "/nonexistent", "--data-dir", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("attacks whatever is not confined"), "{error}");
    assert!(error.contains("--unconfined"), "{error}");
}

#[test]
fn the_list_has_five_fields_for_every_attempt() {
    let output = by_hand(&["--list"]);
    assert!(output.status.success());
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(list.contains("read-passwd\tfiles\tENOENT\tmounts\tread /etc/passwd\n"), "{list}");
    assert!(list.lines().all(|line| line.split('\t').count() == 5), "{list}");
}

#[test]
fn a_control_that_does_not_exist_is_refused() {
    let output = by_hand(&["--unconfined", "--attempt", "no-such-attempt"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("there is no attempt `no-such-attempt`"), "{error}");
}

#[test]
fn its_manifest_is_valid_and_says_that_it_is_hostile() {
    let text = include_str!("../module.toml");
    let manifest = Manifest::parse("module.toml", text).unwrap();
    assert_eq!(manifest.entry_point().as_str(), "escape-artist");
    assert_eq!(manifest.version().to_string(), env!("CARGO_PKG_VERSION"));
    assert!(text.contains("HOSTILE ON PURPOSE"));
}
