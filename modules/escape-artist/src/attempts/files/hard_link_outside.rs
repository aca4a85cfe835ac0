//! A hard link to a file of the host's in its own directory (CVE-2021-44730, snap-confine). The filter answers; the
//! mounts would, with EXDEV.

use std::fs;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried};
use crate::steps::read;

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "hard-link-outside",
    "link a file of the operator's into its directory",
    Layer::Seccomp,
    Errno::EPERM,
    run,
);

fn run(context: &Context) -> Tried {
    let link = context.data_dir.join("hard-link");
    fs::hard_link(&context.operator_file, &link)?;
    read(link)
}
