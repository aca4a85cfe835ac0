//! The takeover of descriptor 3, in a child process that really inherits a socket there.

#![allow(clippy::expect_used, reason = "a child that cannot be started is a failed test")]

mod fake_host;

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use cofferdam_sdk::{ModuleIntegration, SdkError};
use fake_host::{LIMITS, Session};

/// Set in the child of a test: it plays the module instead of the host.
const CHILD: &str = "COFFERDAM_SDK_TEST_CHILD";

/// This test program again, for one test, with `stdin` as its descriptor 3 and nothing on its standard input.
/// The shell does the renumbering, which would need unsafe code here.
fn child(test: &str, stdin: impl Into<Stdio>) -> Command {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" --exact \"$1\" --nocapture 3<&0 0</dev/null"]).arg(program).arg(test);
    command.env(CHILD, "1").stdin(stdin).stdout(Stdio::null());
    command
}

async fn connect() -> Result<ModuleIntegration, SdkError> {
    ModuleIntegration::connect("fd:3", "m-1".to_owned(), "m".to_owned(), "1.0.0".to_owned()).await
}

#[tokio::test]
async fn the_inherited_socket_is_taken_over_once() {
    if std::env::var_os(CHILD).is_some() {
        let integration = connect().await.unwrap();
        assert_eq!(integration.welcome().node, "fake");
        assert!(matches!(connect().await, Err(SdkError::AlreadyConnected)));
        return;
    }
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut process =
        child("the_inherited_socket_is_taken_over_once", OwnedFd::from(theirs)).spawn().unwrap();

    let mut session = Session::new(tokio::net::UnixStream::from_std(ours).unwrap());
    session.welcome(LIMITS).await;
    assert_eq!(session.next().await, None, "the module ended and its socket closed");
    assert!(process.wait().unwrap().success());
}

#[tokio::test]
async fn a_descriptor_that_is_no_socket_is_refused_with_a_hint_and_left_open() {
    if std::env::var_os(CHILD).is_some() {
        let error = connect().await.unwrap_err();
        assert!(error.to_string().contains("fd:3: it is not a socket"), "{error}");
        assert!(error.to_string().contains("started by Cofferdam"), "{error}");
        assert!(std::fs::read_link("/proc/self/fd/3").is_ok());
        return;
    }
    let name = "a_descriptor_that_is_no_socket_is_refused_with_a_hint_and_left_open";
    assert!(child(name, Stdio::null()).status().unwrap().success());
}

#[tokio::test]
async fn another_descriptor_than_3_is_refused() {
    let text = || "m".to_owned();
    let error = ModuleIntegration::connect("fd:4", text(), text(), text()).await.unwrap_err();
    assert!(matches!(error, SdkError::SocketPath { .. }));
}
