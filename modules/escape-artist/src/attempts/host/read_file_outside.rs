//! A path with `..` in it, for the core to read. The core answers; it sees the data of this module below a directory
//! of its own.

use crate::attempt::{Attempt, Expected, Host, Run, Tried, own, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::on_core(
    "read-file-outside",
    "have the core read a file outside of its directory",
    Expected::Api("InvalidArgument"),
    Run::Core(|host| Box::pin(run(host))),
);

async fn run(host: Host) -> Tried {
    own(host.node.get_file_metadata(".".to_owned()).await)?;
    host.node.read_file(format!("../{}/report.tsv", host.other)).await?;
    succeeded("was given it")
}
