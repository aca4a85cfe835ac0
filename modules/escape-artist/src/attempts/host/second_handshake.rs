//! A handshake in a session that is open, as another module. The core answers: there is one, and it ends the session.

use crate::attempt::{Attempt, Expected, Host, Run, Tried};
use crate::steps::{frame, send_and_listen};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "second-handshake",
    "shake hands a second time",
    Expected::Disconnected,
    Run::Core(|host| Box::pin(run(host))),
);

fn hello(name: &str) -> Vec<u8> {
    // The tag, and the oldest and newest protocol that it speaks.
    let mut body = b"COFF\x01\0\0\0\x01\0\0\0".to_vec();
    for text in [name, name, "0.1.0", "escape-artist"] {
        body.extend(u64::try_from(text.len()).unwrap_or_default().to_le_bytes());
        body.extend(text.as_bytes());
    }
    body
}

async fn run(host: Host) -> Tried {
    send_and_listen(&host, &frame(&hello(&host.other))).await
}
