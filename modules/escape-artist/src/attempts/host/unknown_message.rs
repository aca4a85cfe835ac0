//! A message with a tag that no message has. The core answers: it ends the session.

use crate::attempt::{Attempt, Expected, Host, Run, Tried};
use crate::steps::{frame, send_and_listen};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "unknown-message",
    "send what is no message",
    Expected::Disconnected,
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    send_and_listen(&host, &frame(&[0xee; 16])).await
}
