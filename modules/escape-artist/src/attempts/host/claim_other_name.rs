//! A handshake that claims to be another module. The core answers: it knows a module by its connection.

use cofferdam_sdk::ModuleIntegration;

use crate::attempt::{Args, Attempt, Expected, Run, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "claim-other-name",
    "claim another module's name",
    Expected::Disconnected,
    Run::Handshake(|args| Box::pin(run(args))),
);

async fn run(args: Args) -> Tried {
    let (id, name) = (args.other.clone(), args.other);
    ModuleIntegration::connect(&args.socket_path, id, name, env!("CARGO_PKG_VERSION").to_owned()).await?;
    succeeded("the core believes it")
}
