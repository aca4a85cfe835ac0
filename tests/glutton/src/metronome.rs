//! The neighbour: a small call every two milliseconds or so, and how long each took. It never calls faster, so that it is as idle
//! as a module is.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use crate::turns::now_ns;
use crate::{Ended, connect, setting};

const PAUSE: Duration = Duration::from_millis(1);

/// Makes `COUNT` calls; when each began and how long it took is in `/data/calls` when it ends.
pub(crate) async fn calls() -> Ended {
    let count = setting("COUNT")?;
    let integration = connect().await?;
    let node = integration.node_api();
    println!("begins");
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        tokio::time::sleep(PAUSE).await;
        let began = now_ns();
        node.get_block_height().await?;
        times.push((began, now_ns() - began));
    }
    let mut file = BufWriter::new(File::create("/data/calls.new")?);
    times.iter().try_for_each(|(began, took)| writeln!(file, "{began} {took}"))?;
    file.into_inner()?.sync_all()?;
    std::fs::rename("/data/calls.new", "/data/calls")?;
    // It would be called a crash, or an end, in the middle of what is measured.
    crate::rest()
}
