//! Makes system calls that a module seldom makes, or far too many of them. It makes none that is refused.

use std::fs::File;

/// Threads that call for ever: as many as fit into the limit of tasks with those of the runtime.
const THREADS: usize = 40;

/// flock(2), which nothing else in the probe calls.
pub(crate) fn lock() {
    let locked = File::create("/data/lock").and_then(|file| file.lock());
    println!("locked {:?}", locked.map_err(|error| error.kind()));
}

/// getppid(2) as often as the machine allows, from many threads, until the end.
pub(crate) fn for_ever() {
    for _ in 0..THREADS {
        std::thread::spawn(|| {
            loop {
                std::hint::black_box(std::os::unix::process::parent_id());
            }
        });
    }
}
