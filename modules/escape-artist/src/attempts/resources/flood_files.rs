//! Files without number. What it holds in its own directory is its own, within a quota of far more files than this; that
//! the quota holds is measured in tests/disk_quota.rs, on a file system that has quotas.

use std::fs;
use std::fs::File;

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::expecting("flood-files", "make 2000 files", Layer::Mounts, Expected::Contained, run);

const FILES: usize = 2000;

fn run(context: &Context) -> Tried {
    let directory = context.data_dir.join("many");
    fs::create_dir(&directory)?;
    let made = (0..FILES).try_for_each(|count| File::create(directory.join(count.to_string())).map(drop));
    fs::remove_dir_all(directory)?;
    made?;
    succeeded(format!("made {FILES}, and removed them"))
}
