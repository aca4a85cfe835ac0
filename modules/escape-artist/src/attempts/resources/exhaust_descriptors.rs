//! Open files without end. RLIMIT_NOFILE answers.

use std::fs::File;
use std::io;

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("exhaust-descriptors", "open 600 files", Layer::Rlimits, Errno::EMFILE, run);

/// Over the policy's 256.
const DESCRIPTORS: usize = 600;

fn run(context: &Context) -> Tried {
    let opened: io::Result<Vec<File>> = (0..DESCRIPTORS).map(|_| File::open(&context.data_dir)).collect();
    succeeded(format!("opened {}", opened?.len()))
}
