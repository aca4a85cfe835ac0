//! Data without end in the core's database. The core answers with a quota.

use cofferdam_sdk::Bytes;

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "exhaust-storage",
    "store 100 MiB",
    Expected::Api("QuotaExceeded"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    const VALUE_BYTES: usize = 1_000_000;
    let tree = own(host.node.storage_open_tree("large".to_owned()).await)?;
    own(host.node.storage_insert(tree, Bytes::from_static(b"own"), Bytes::from_static(b"own")).await)?;
    for count in 0_u32..100 {
        let value = Bytes::from(vec![0; VALUE_BYTES]);
        host.node.storage_insert(tree, Bytes::from(count.to_be_bytes().to_vec()), value).await?;
    }
    succeeded("stored it")
}
