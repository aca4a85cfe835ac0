//! How much a program may take of the machine and of the core, each limit with its reason.

use serde::{Deserialize, Serialize};

/// What the cgroup and the file system allow. Every field is enforced, or the start is refused, but
/// for what the config allows to be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, in bytes; swap is 0.
    pub memory_bytes: Limit<u64>,
    /// Processor time in percent of one core; 200 is two cores.
    pub cpu_percent: Limit<u32>,
    /// Its share where processors are short, against others of the same launcher; 100 is that of any program.
    pub cpu_weight: Limit<u32>,
    /// Threads and processes.
    pub tasks: Limit<u32>,
    /// What it may fill with files of its own; `None` for who may write none, and for the core.
    pub disk: Option<DiskLimits>,
}

/// What there may be in a data directory that the program may write in, whoever has made it. The kernel holds it to them
/// by a project quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskLimits {
    /// Bytes, in whole blocks of the file system.
    pub bytes: Limit<u64>,
    /// Files and directories.
    pub files: Limit<u64>,
}

/// How much of the core a module may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreLimits {
    /// Calls per second in the long run.
    pub calls_per_second: Limit<u32>,
    /// Calls that may come at once after a pause.
    pub call_burst: Limit<u32>,
    /// Bytes of keys and values in its database.
    pub storage_bytes: Limit<u64>,
    /// Keys in its database.
    pub storage_keys: Limit<u64>,
    /// Bytes of files in its data directory, as far as the core writes them for it.
    pub file_bytes: Limit<u64>,
    /// Files and directories in its data directory, likewise.
    pub file_count: Limit<u64>,
}

/// One limit and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit<T> {
    /// The limit, in the unit of its field.
    pub value: T,
    /// Why this much.
    pub why: String,
}
