//! `[modules.limits.<module>]`: what the operator sets instead of the policy's limits.

use crate::source::key;
use cofferdam_document::{DocumentError, Source, Spanned};
use serde::Deserialize;

/// 4 MiB. Less does not hold a static program, its stack and one thread.
const MIN_MEMORY_BYTES: u64 = 4 * 1024 * 1024;

/// 16 TiB. More is a typing error on any machine.
const MAX_MEMORY_BYTES: u64 = 16 * 1024 * 1024 * 1024 * 1024;

/// 64 cores.
const MAX_CPU_PERCENT: u32 = 6400;

/// The default of `kernel.pid_max`: more tasks than a kernel has numbers for limit nothing.
const MAX_TASKS: u32 = 32_768;

/// Below this an asynchronous runtime cannot start: three standard streams, the core's socket, an event
/// queue, a waker, and the files of its data directory.
const MIN_DESCRIPTORS: u32 = 16;

/// The default of `fs.nr_open`, above which the kernel refuses.
const MAX_DESCRIPTORS: u32 = 1_048_576;

/// About what one core answers.
const MAX_CALLS_PER_SECOND: u32 = 100_000;

/// 1 TiB.
const MAX_STORED_BYTES: u64 = 1024 * 1024 * 1024 * 1024;
const TOO_MUCH: &str = "the most is 1 TiB";

/// 1 MiB.
const MIN_DISK_BYTES: u64 = 1024 * 1024;
const DISK_BYTES: &str =
    "less than 1 MiB holds no file of use: withhold write_filesystem instead; the most is 1 TiB";
const DISK_FILES: &str =
    "a module that is to make no file is refused write_filesystem; the most is a thousand million";

const MAX_KEYS: u64 = 1_000_000_000;
const TOO_MANY_KEYS: &str = "the most is a thousand million keys";

const MAX_FILES: u64 = 65_536;
const TOO_MANY_FILES: &str = "counting more than 65536 files takes the core too long";

/// Limits the operator set for one module. `None` leaves the policy's default in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// `memory_bytes`: all memory of all its processes, page cache included. From 4 MiB to 16 TiB.
    pub memory_bytes: Option<u64>,
    /// `cpu_percent`: processor time, in hundredths of one core. From 1 to 6400.
    pub cpu_percent: Option<u32>,
    /// `tasks`: processes and threads together. From 1 to 32768.
    pub tasks: Option<u32>,
    /// `descriptors`: open files of one process. From 16 to 1048576.
    pub descriptors: Option<u32>,
    /// `calls_per_second`: calls to the core in the long run. From 1 to 100000.
    pub calls_per_second: Option<u32>,
    /// `storage_bytes`: keys and values in its database. From 0 to 1 TiB.
    pub storage_bytes: Option<u64>,
    /// `storage_keys`: keys in its database. From 0 to a thousand million.
    pub storage_keys: Option<u64>,
    /// `disk_bytes`: what its data directory holds, if it may write there itself. From 1 MiB to 1 TiB.
    pub disk_bytes: Option<u64>,
    /// `disk_files`: files and directories there, likewise. From 1 to a thousand million.
    pub disk_files: Option<u64>,
    /// `file_bytes`: files in its data directory, as far as the core writes them. From 0 to 1 TiB.
    pub file_bytes: Option<u64>,
    /// `file_count`: files and directories in its data directory, likewise. From 0 to 65536.
    pub file_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    memory_bytes: Option<Spanned<u64>>,
    cpu_percent: Option<Spanned<u32>>,
    tasks: Option<Spanned<u32>>,
    descriptors: Option<Spanned<u32>>,
    calls_per_second: Option<Spanned<u32>>,
    storage_bytes: Option<Spanned<u64>>,
    storage_keys: Option<Spanned<u64>>,
    disk_bytes: Option<Spanned<u64>>,
    disk_files: Option<Spanned<u64>>,
    file_bytes: Option<Spanned<u64>>,
    file_count: Option<Spanned<u64>>,
}

impl Raw {
    /// `table` is the name of the module's table.
    pub(crate) fn check(self, source: Source<'_>, table: &str) -> Result<LimitOverrides, DocumentError> {
        let within = |name: &str, number: Option<Spanned<u32>>, range, why| {
            number.map(|number| source.in_range(&key(table, name), &number, range, why)).transpose()
        };
        let up_to = |name: &str, number: Option<Spanned<u64>>, most: u64, why| {
            number.map(|number| source.in_range(&key(table, name), &number, 0..=most, why)).transpose()
        };
        let disk = |name: &str, number: Option<Spanned<u64>>, range, why| {
            number.map(|number| source.in_range(&key(table, name), &number, range, why)).transpose()
        };
        let memory = |number: Spanned<u64>| {
            let why = "less than 4 MiB holds no program, and 16 TiB no machine";
            let range = MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES;
            source.in_range(&key(table, "memory_bytes"), &number, range, why)
        };
        Ok(LimitOverrides {
            memory_bytes: self.memory_bytes.map(memory).transpose()?,
            cpu_percent: within(
                "cpu_percent",
                self.cpu_percent,
                1..=MAX_CPU_PERCENT,
                "100 is one core, and a module needs some time",
            )?,
            tasks: within("tasks", self.tasks, 1..=MAX_TASKS, "the kernel numbers 32768 tasks")?,
            descriptors: within(
                "descriptors",
                self.descriptors,
                MIN_DESCRIPTORS..=MAX_DESCRIPTORS,
                "fewer than 16 do not start a module, and the kernel allows 1048576",
            )?,
            calls_per_second: within(
                "calls_per_second",
                self.calls_per_second,
                1..=MAX_CALLS_PER_SECOND,
                "one core answers about 100000 calls a second",
            )?,
            storage_bytes: up_to("storage_bytes", self.storage_bytes, MAX_STORED_BYTES, TOO_MUCH)?,
            storage_keys: up_to("storage_keys", self.storage_keys, MAX_KEYS, TOO_MANY_KEYS)?,
            disk_bytes: disk("disk_bytes", self.disk_bytes, MIN_DISK_BYTES..=MAX_STORED_BYTES, DISK_BYTES)?,
            disk_files: disk("disk_files", self.disk_files, 1..=MAX_KEYS, DISK_FILES)?,
            file_bytes: up_to("file_bytes", self.file_bytes, MAX_STORED_BYTES, TOO_MUCH)?,
            file_count: up_to("file_count", self.file_count, MAX_FILES, TOO_MANY_FILES)?,
        })
    }
}
