//! A frame that says it has 4 GiB: memory before a byte of it came. The core answers: it ends the session.

use crate::attempt::{Attempt, Expected, Host, Run, Tried};
use crate::steps::send_and_listen;

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "huge-frame",
    "announce a message of 4 GiB",
    Expected::Disconnected,
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    send_and_listen(&host, &u32::MAX.to_be_bytes()).await
}
