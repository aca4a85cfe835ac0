//! A tree's name that would be a path into the database of another module. The core answers; each module has a
//! database of its own besides.

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "open-tree-of-other",
    "open another module's tree by its path",
    Expected::Api("InvalidArgument"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.storage_open_tree("own".to_owned()).await)?;
    host.node.storage_open_tree(format!("../{}/blocks", host.other)).await?;
    succeeded("opened it")
}
