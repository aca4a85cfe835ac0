//! The limits in module.toml and core.toml.

use super::checks::why;
use crate::profile::{CoreLimits, DiskLimits, Limit, Limits};
use cofferdam_document::{DocumentError, Source, Spanned};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    memory_mib: RawLimit,
    pub(super) memory_mib_per_database: Option<RawLimit>,
    cpu_percent: RawLimit,
    cpu_weight: RawLimit,
    tasks: RawLimit,
    disk_mib: Option<RawLimit>,
    disk_files: Option<RawLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCoreLimits {
    calls_per_second: RawLimit,
    call_burst: RawLimit,
    storage_mib: RawLimit,
    storage_keys: RawLimit,
    file_mib: RawLimit,
    file_count: RawLimit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimit {
    value: Spanned<u32>,
    why: Spanned<String>,
}

pub(super) fn limit(source: Source<'_>, key: &str, raw: &RawLimit) -> Result<Limit<u32>, DocumentError> {
    let value = source.in_range(key, &raw.value, 1..=u32::MAX, "a limit of 0 starts nothing")?;
    Ok(Limit { value, why: why(source, key, &raw.why)? })
}

/// A weight as cgroup v2 takes it. Documentation/admin-guide/cgroup-v2, Weights
fn weight(source: Source<'_>, key: &str, raw: &RawLimit) -> Result<Limit<u32>, DocumentError> {
    let value = source.in_range(key, &raw.value, 1..=10_000, "the kernel takes no other weight")?;
    Ok(Limit { value, why: why(source, key, &raw.why)? })
}

/// A limit that the file gives in MiB.
pub(super) fn mebibytes(limit: Limit<u32>) -> Limit<u64> {
    Limit { value: u64::from(limit.value) << 20, why: limit.why }
}

pub(super) fn limits(source: Source<'_>, raw: &RawLimits) -> Result<Limits, DocumentError> {
    Ok(Limits {
        memory_bytes: mebibytes(limit(source, "limits.memory_mib", &raw.memory_mib)?),
        cpu_percent: limit(source, "limits.cpu_percent", &raw.cpu_percent)?,
        cpu_weight: weight(source, "limits.cpu_weight", &raw.cpu_weight)?,
        tasks: limit(source, "limits.tasks", &raw.tasks)?,
        disk: disk(source, raw)?,
    })
}

fn disk(source: Source<'_>, raw: &RawLimits) -> Result<Option<DiskLimits>, DocumentError> {
    match (&raw.disk_mib, &raw.disk_files) {
        (None, None) => Ok(None),
        (Some(bytes), Some(files)) => Ok(Some(DiskLimits {
            bytes: mebibytes(limit(source, "limits.disk_mib", bytes)?),
            files: count(limit(source, "limits.disk_files", files)?),
        })),
        (Some(one), None) | (None, Some(one)) => {
            let problem = "`disk_mib` and `disk_files` belong together";
            Err(source.error(one.value.span(), "limits", problem, "write both or neither"))
        }
    }
}

fn count(limit: Limit<u32>) -> Limit<u64> {
    Limit { value: u64::from(limit.value), why: limit.why }
}

pub(super) fn core_limits(source: Source<'_>, raw: &RawCoreLimits) -> Result<CoreLimits, DocumentError> {
    let limit = |name: &str, raw: &RawLimit| limit(source, &format!("core_limits.{name}"), raw);
    Ok(CoreLimits {
        calls_per_second: limit("calls_per_second", &raw.calls_per_second)?,
        call_burst: limit("call_burst", &raw.call_burst)?,
        storage_bytes: mebibytes(limit("storage_mib", &raw.storage_mib)?),
        storage_keys: count(limit("storage_keys", &raw.storage_keys)?),
        file_bytes: mebibytes(limit("file_mib", &raw.file_mib)?),
        file_count: count(limit("file_count", &raw.file_count)?),
    })
}
