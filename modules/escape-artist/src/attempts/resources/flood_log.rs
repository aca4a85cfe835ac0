//! A megabyte of lines at once. The launcher answers: it reads, escapes and logs so many lines a second, and the
//! writer waits.

use std::io;
use std::io::Write;

use crate::attempt::{Attempt, Context, Expected, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt = Attempt::expecting(
    "flood-log",
    "write 1 MiB of log lines at once",
    Layer::Launcher,
    Expected::Contained,
    run,
);

/// Together 1 MiB: more than a pipe holds, and more than any reader lets one module log at once.
const LOG_LINES: usize = 16 * 1024;
const LOG_LINE_BYTES: usize = 64;

fn run(_: &Context) -> Tried {
    let mut line = vec![b'x'; LOG_LINE_BYTES - 1];
    line.push(b'\n');
    let mut log = io::stderr().lock();
    (0..LOG_LINES).try_for_each(|_| log.write_all(&line))?;
    succeeded(format!("wrote {} bytes", LOG_LINES * line.len()))
}
