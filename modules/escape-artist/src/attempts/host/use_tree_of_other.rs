//! A tree's id that it never was given: those of others may have it. The core answers: ids are the session's.

use cofferdam_sdk::Bytes;

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "use-tree-of-other",
    "read by the id of a tree that is not its own",
    Expected::Api("InvalidArgument"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    let own_tree = own(host.node.storage_open_tree("own".to_owned()).await)?;
    let key = || Bytes::from_static(b"key");
    own(host.node.storage_get(own_tree, key()).await)?;
    host.node.storage_get(own_tree.wrapping_add(1), key()).await?;
    succeeded("was answered")
}
