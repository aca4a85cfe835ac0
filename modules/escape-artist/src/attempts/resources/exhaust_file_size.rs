//! A file without end. RLIMIT_FSIZE answers; how much all its files take is its disk's affair.

use std::fs;
use std::fs::File;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("exhaust-file-size", "make a file of 8 GiB", Layer::Rlimits, Errno::EFBIG, run);

use nix::sys::signal::{SigSet, Signal};

/// Over the policy's 4 GiB. Takes no room on the disk: nothing is written.
const FILE_BYTES: u64 = 8 << 30;

/// The kernel sends SIGXFSZ beside the error; blocked, it leaves the error to tell.
fn run(context: &Context) -> Tried {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGXFSZ);
    blocked.thread_block()?;
    let path = context.data_dir.join("large");
    let grown = File::create(&path)?.set_len(FILE_BYTES);
    fs::remove_file(path)?;
    grown?;
    succeeded(format!("made it {FILE_BYTES} bytes long"))
}
