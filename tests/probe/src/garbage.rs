//! Writes to the connection what is no message, past the library that owns it.
//!
//! It never reads an answer: what becomes of the session is for the host to say.

use std::process::ExitCode;

use nix::sys::socket::{MsgFlags, send};

use crate::{connect, sleep, wait};

/// Where Cofferdam puts the connection.
const SOCKET: i32 = 3;

/// Looks like the length of a frame that is larger than any may be, and like nothing else.
const GARBAGE: [u8; 64] = [0xff; 64];

/// Sends garbage where the handshake is expected, and stays.
pub(crate) fn instead_of_a_handshake() -> ExitCode {
    send_garbage();
    sleep()
}

/// Sends garbage where a call is expected, and stays.
pub(crate) async fn after_the_handshake() -> ExitCode {
    let _integration = match connect().await {
        Ok(integration) => integration,
        Err(code) => return code,
    };
    send_garbage();
    wait().await
}

/// Says so first: the host may have it killed before it can say another word.
fn send_garbage() {
    println!("sends garbage");
    if let Err(errno) = send(SOCKET, &GARBAGE, MsgFlags::MSG_NOSIGNAL) {
        println!("garbage not sent: {errno}");
    }
}
