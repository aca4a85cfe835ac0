//! Using more than its share. Each is bounded, so that it harms no machine on which it is let through.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

use crate::attempt::{Attempt, Expected, Tried, succeeded};
use crate::context::Context;

/// Over the policy's 64.
const TASKS: usize = 100;
/// A thread that only waits needs little of one.
const STACK_BYTES: usize = 64 * 1024;
/// Over the policy's 256.
const DESCRIPTORS: usize = 600;
/// Over the policy's 4 GiB. Takes no room on the disk: nothing is written.
const FILE_BYTES: u64 = 8 << 30;
/// Over the policy's 256 MiB.
const MEMORY_MIB: usize = 300;
const MIB_BYTES: usize = 1 << 20;
/// Together 1 MiB: more than a pipe holds, and more than any reader lets one module log at once.
const LOG_LINES: usize = 16 * 1024;
const LOG_LINE_BYTES: usize = 64;

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::refused("exhaust-tasks", "start 100 threads", Errno::EAGAIN, exhaust_tasks),
    Attempt::refused("exhaust-descriptors", "open 600 files", Errno::EMFILE, exhaust_descriptors),
    Attempt::refused("exhaust-file-size", "make a file of 8 GiB", Errno::EFBIG, exhaust_file_size),
    Attempt::expecting(Expected::Contained, "flood-log", "write 1 MiB of log lines at once", flood_log),
    Attempt::expecting(Expected::OutOfMemory, "exhaust-memory", "use 300 MiB of memory", exhaust_memory),
];

/// The threads wait for a lock that is held until all are there, or until the first is refused.
fn exhaust_tasks(_: &Context) -> Tried {
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let start = |_| {
        let gate = Arc::clone(&gate);
        let wait = move || drop(gate.lock().unwrap_or_else(PoisonError::into_inner));
        thread::Builder::new().stack_size(STACK_BYTES).spawn(wait)
    };
    let mut threads = Vec::with_capacity(TASKS);
    let all = (0..TASKS).map(start).try_for_each(|started| started.map(|thread| threads.push(thread)));
    drop(held);
    threads.into_iter().for_each(|thread| thread.join().unwrap_or_default());
    all?;
    succeeded(format!("{TASKS} threads ran at once"))
}

fn exhaust_descriptors(context: &Context) -> Tried {
    let opened: io::Result<Vec<File>> = (0..DESCRIPTORS).map(|_| File::open(&context.data_dir)).collect();
    succeeded(format!("opened {}", opened?.len()))
}

/// The kernel sends SIGXFSZ beside the error; blocked, it leaves the error to tell.
fn exhaust_file_size(context: &Context) -> Tried {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGXFSZ);
    blocked.thread_block()?;
    let path = context.data_dir.join("large");
    let grown = File::create(&path)?.set_len(FILE_BYTES);
    std::fs::remove_file(path)?;
    grown?;
    succeeded(format!("made it {FILE_BYTES} bytes long"))
}

fn flood_log(_: &Context) -> Tried {
    let mut line = vec![b'x'; LOG_LINE_BYTES - 1];
    line.push(b'\n');
    let mut log = io::stderr().lock();
    (0..LOG_LINES).try_for_each(|_| log.write_all(&line))?;
    succeeded(format!("wrote {} bytes", LOG_LINES * line.len()))
}

/// Every page is written to: memory that is only mapped is not used.
fn exhaust_memory(_: &Context) -> Tried {
    let used: Vec<Vec<u8>> = (0..MEMORY_MIB).map(|_| black_box(vec![1; MIB_BYTES])).collect();
    succeeded(format!("used {} MiB", used.len()))
}
