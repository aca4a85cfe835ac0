//! open(2) with O_CREAT outside its directory. The mounts answer: its root is mounted read-only.

use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::refused(
    "create-outside",
    "create a file outside its directory",
    Layer::Mounts,
    Errno::EROFS,
    run,
);

fn run(context: &Context) -> Tried {
    let path = context.outside.join("escape-artist-was-there");
    File::create_new(&path)?;
    succeeded(format!("created {}", path.display()))
}
