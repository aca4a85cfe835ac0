//! A core that has fallen to an attacker, for tests. What it does is the name of the only module on its roster. It never
//! does anything useful.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};

fn main() {
    let stdin = std::io::stdin();
    let mut roster = vec![0; 128 * 1024];
    let length = recv(stdin.as_raw_fd(), &mut roster, MsgFlags::empty()).unwrap_or(0);
    let roster = String::from_utf8_lossy(roster.get(..length).unwrap_or_default()).into_owned();
    let does = |name: &str| roster.contains(&format!("\"{name}\""));
    if does("ready-flood") {
        repeat(&[br#"{"ask":"ready"}"#], None);
    } else if does("start-flood") {
        repeat(&[br#"{"ask":"start","module":"nobody"}"#], None);
    } else if does("stopped-flood") {
        repeat(&[br#"{"ask":"stopped"}"#], Some(Duration::from_millis(200)));
    } else if does("garbage") {
        send(b"{\"ask\":\"start\",\"module\":\"../../bin/sh\"}", 0);
    } else if does("looser") {
        send(br#"{"ask":"start","module":"looser","program":"/bin/sh","memory_bytes":9999999999}"#, 0);
    } else if does("descriptors") {
        send(br#"{"ask":"ready"}"#, 8);
    } else if does("deaf") {
        repeat(&[br#"{"ask":"usage","module":"deaf"}"#], Some(Duration::from_millis(1)));
    }
    std::thread::sleep(Duration::from_secs(3600));
}

fn repeat(messages: &[&[u8]], pause: Option<Duration>) {
    loop {
        for message in messages {
            send(message, 0);
        }
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
    }
}

/// Sends a message with `count` copies of its standard error beside it.
fn send(message: &[u8], count: usize) {
    let stdin = std::io::stdin();
    let error = std::io::stderr();
    let descriptors = vec![error.as_fd().as_raw_fd(); count];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control = if count == 0 { rights.get(..0) } else { Some(rights.as_slice()) };
    // A launcher that does not listen any more is what the test wants to see.
    let _refused = sendmsg::<()>(
        stdin.as_raw_fd(),
        &[IoSlice::new(message)],
        control.unwrap_or_default(),
        MsgFlags::empty(),
        None,
    );
}
