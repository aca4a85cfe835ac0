//! Threads without end. The cgroup answers, pids.max; RLIMIT_NPROC where there is none.

use crate::attempt::{Attempt, Context, Errno, Layer, Tried, succeeded};

pub(super) const ATTEMPT: Attempt =
    Attempt::refused("exhaust-tasks", "start 100 threads", Layer::Cgroup, Errno::EAGAIN, run);

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Over the policy's 64.
const TASKS: usize = 100;
/// A thread that only waits needs little of one.
const STACK_BYTES: usize = 64 * 1024;

/// The threads wait for a lock that is held until all are there, or until the first is refused.
fn run(_: &Context) -> Tried {
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
