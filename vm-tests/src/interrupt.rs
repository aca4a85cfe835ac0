//! Ctrl-C and its like: they set a flag that whoever waits looks at, so that what was made is removed. A second one ends
//! the process at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on signals that ask for the end are taken. Must be called before any other thread is started.
pub(crate) fn watch() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("block signals")?;
    let signals = SignalFd::new(&signals).context("signalfd")?;
    std::thread::spawn(move || {
        while let Ok(Some(signal)) = signals.read_signal() {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(128 + i32::try_from(signal.ssi_signo).unwrap_or(0));
            }
        }
    });
    Ok(())
}

/// Whether the end was asked for.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
