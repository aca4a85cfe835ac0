//! The metrics that modules report, kept within bounds and written as Prometheus text (exposition format 0.0.4).
//!
//! What a module reports is hostile: names, labels, values and how many of them. So names and labels have a form and a
//! length, a module has a limited number of series, and a metric keeps the kind and the label names of its first report.
//! Whatever is reported, the text stays valid and says of each series which module it came from.
//!
//! This crate is pure: it never opens a file, never looks at a clock, and nothing in it waits.

#![forbid(unsafe_code)]

mod check;
mod error;
mod host;
mod registry;
mod render;

pub use error::MetricError;
pub use host::{HostKind, HostMetrics};
pub use registry::{Change, Histogram, Registry, Series, Value};

use std::collections::BTreeMap;

/// The labels of a series: names and values.
pub type Labels = BTreeMap<String, String>;

/// The longest name of a metric or a label, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The longest help text of a metric, in characters.
pub const MAX_HELP_CHARS: usize = 256;

/// The most labels of a series.
pub const MAX_LABELS: usize = 8;

/// The longest value of a label, in bytes.
pub const MAX_LABEL_VALUE_BYTES: usize = 128;

/// The most buckets that a histogram is given; one more, for everything larger, is always there.
pub const MAX_BUCKETS: usize = 32;

/// How many series a module may have where the operator says nothing else. All of them together are at most some
/// hundred kilobytes in memory, and less than a megabyte of text, help texts included.
pub const DEFAULT_SERIES_PER_MODULE: usize = 256;

/// The upper bounds of the buckets of a histogram that is reported without any: seconds, from milliseconds to ten
/// seconds, as Prometheus client libraries have them.
pub const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
