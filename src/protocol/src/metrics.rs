//! What modules report about themselves, after Prometheus' data model.

use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;
use crate::modules::MAX_MODULES;

/// The most labels of a metric.
pub const MAX_LABELS: usize = 8;
/// The most samples of one module.
pub const MAX_SAMPLES: usize = 1024;

/// The metrics of one module.
pub type Samples = BoundedVec<Sample, MAX_SAMPLES>;
/// The metrics of every module.
pub type AllMetrics = BoundedVec<ModuleSamples, MAX_MODULES>;
/// Names and values that tell series of a metric apart.
pub type Labels = BoundedVec<Label, MAX_LABELS>;

/// One report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Up to 64 of the characters a-z, A-Z, 0-9 and '_', not beginning with a digit.
    pub name: String,
    /// What it measures and in which unit, in up to 256 characters; the first report's is kept.
    pub help: String,
    /// What tells it apart from others of its name. Always the same names.
    pub labels: Labels,
    /// What is reported.
    pub value: MetricValue,
}

/// The name and the value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Up to 64 of the characters a-z, A-Z, 0-9 and '_', not beginning with a digit; `module` is the host's.
    pub name: String,
    /// Up to 128 bytes.
    pub value: String,
}

/// What is reported of a metric. Always the same kind for one name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum MetricValue {
    /// So much more was counted.
    Counter(f64),
    /// The value is this now.
    Gauge(f64),
    /// This was observed once.
    Histogram(f64),
}

/// A series with its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What was reported, together.
    pub value: SampleValue,
}

/// The value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum SampleValue {
    /// The sum of all increments.
    Counter(f64),
    /// The last value.
    Gauge(f64),
    /// How often something was observed, and the sum of what was.
    Histogram {
        /// The number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

/// The metrics of one module, with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModuleSamples {
    /// The module.
    pub module: String,
    /// Its metrics.
    pub samples: Samples,
}
