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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    memory_bytes: Option<Spanned<u64>>,
    cpu_percent: Option<Spanned<u32>>,
    tasks: Option<Spanned<u32>>,
    descriptors: Option<Spanned<u32>>,
}

impl Raw {
    /// `table` is the name of the module's table.
    pub(crate) fn check(self, source: Source<'_>, table: &str) -> Result<LimitOverrides, DocumentError> {
        let within = |name: &str, number: Option<Spanned<u32>>, range, why| {
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
        })
    }
}
