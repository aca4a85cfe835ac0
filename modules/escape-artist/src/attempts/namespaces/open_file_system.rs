//! fsopen(2), the new mount API, which filters written for mount(2) do not know. The filter answers, and kills.

use crate::attempt::{Attempt, Context, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::lethal("open-file-system", "open a file system (fsopen)", run);

use rustix::mount::{FsOpenFlags, fsopen};

fn run(_: &Context) -> Tried {
    fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    succeeded("opened a tmpfs")
}
