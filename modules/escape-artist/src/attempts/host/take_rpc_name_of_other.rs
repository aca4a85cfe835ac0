//! A JSON-RPC method under another module's name: its callers would be answered by this one. The core answers: the
//! name begins with the module's own, and a method has no dot.

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "take-rpc-name-of-other",
    "offer a method under another module's name",
    Expected::Api("InvalidArgument"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    let describe = || "for tests".to_owned();
    let own_name = own(host.node.register_rpc_endpoint("own".to_owned(), describe()).await)?;
    if own_name != "escape_artist_own" {
        return succeeded(format!("its method is called {own_name}"));
    }
    host.node.register_rpc_endpoint(format!("{}.tip", host.other), describe()).await?;
    succeeded("offers it")
}
