//! The kernel's own log: whether it complained of itself since a moment.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

/// What a kernel says when something is wrong with it. Documentation/admin-guide/bug-hunting.rst
const COMPLAINTS: [&str; 9] = [
    "BUG:",
    "Oops",
    "WARNING:",
    "general protection fault",
    "Kernel panic",
    "kernel BUG at",
    "UBSAN",
    "soft lockup",
    "rcu_preempt self-detected stall",
];

/// The log from now on.
pub(crate) struct KernelLog(File);

impl KernelLog {
    /// Begins to read at its end; only root may.
    pub(crate) fn from_now() -> Self {
        use std::io::{Seek, SeekFrom};
        let mut log = File::options().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").unwrap();
        log.seek(SeekFrom::End(0)).unwrap();
        Self(log)
    }

    /// What was complained of since then.
    pub(crate) fn complaints(mut self) -> Vec<String> {
        let mut found = Vec::new();
        let mut record = vec![0; 8192];
        // One record a read. EPIPE: some were overwritten before they were read.
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]).into_owned();
                    if COMPLAINTS.iter().any(|complaint| text.contains(complaint)) {
                        found.push(text);
                    }
                }
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => return found,
            }
        }
    }
}
