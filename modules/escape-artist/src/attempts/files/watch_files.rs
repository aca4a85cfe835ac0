//! inotify(7) tells what others do with files, and takes kernel memory for each watch. The filter answers.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("watch-files", "watch its directory with inotify", Layer::Seccomp, Errno::EPERM, run);

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

fn run(context: &Context) -> Tried {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    watch.add_watch(&context.data_dir, AddWatchFlags::IN_ALL_EVENTS)?;
    succeeded("watching")
}
