//! A call that its manifest did not ask for. The core answers: what was granted is in the profile, not in what the
//! module says. Its own act is a call that it was granted.

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "call-without-capability",
    "call what it was not granted",
    Expected::Api("PermissionDenied"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.storage_open_tree("own".to_owned()).await)?;
    host.node.get_network_peers().await?;
    succeeded("was told the node's peers")
}
