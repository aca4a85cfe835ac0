//! Idle-priority programs that keep every processor from sleeping: on a virtual machine a processor that wakes up costs
//! more than what is measured.

use std::process::{Child, Command};

/// The argument with which a benchmark is such a program.
const SPIN: &str = "spin";

/// Ends them when it is dropped.
pub(crate) struct Spinners(Vec<Child>);

impl Spinners {
    /// One for each processor.
    pub(crate) fn start() -> Self {
        let own = std::env::current_exe().unwrap();
        let count = std::thread::available_parallelism().unwrap().get();
        let spinner = |_| Command::new("chrt").args(["--idle", "0"]).arg(&own).arg(SPIN).spawn().unwrap();
        Self((0..count).map(spinner).collect())
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for spinner in &mut self.0 {
            spinner.kill().unwrap();
            spinner.wait().unwrap();
        }
    }
}

/// Spins for ever if this process was started for that.
pub(crate) fn spin_if_told() {
    if std::env::args().nth(1).as_deref() == Some(SPIN) {
        loop {
            std::hint::spin_loop();
        }
    }
}
