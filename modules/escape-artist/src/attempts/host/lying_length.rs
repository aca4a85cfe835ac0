//! A string in a message that says it is longer than the message. The core answers: it ends the session.

use crate::attempt::{Attempt, Expected, Host, Run, Tried};
use crate::steps::{frame, send_and_listen};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "lying-length",
    "send a message with a length that lies",
    Expected::Disconnected,
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    send_and_listen(&host, &frame(b"COFF\x01\0\0\0\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f")).await
}
