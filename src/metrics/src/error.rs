//! What is wrong with a report, in words that say what to do. A message never holds a raw byte of a module.

use crate::registry::Kind;
use crate::{MAX_BUCKETS, MAX_HELP_CHARS, MAX_LABEL_VALUE_BYTES, MAX_LABELS};

/// The longest part of a name that a message repeats, in characters.
const MAX_QUOTED_CHARS: usize = 80;

/// Why a report was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The name of the metric has not the form of one.
    #[error("metric {name}: {rule}")]
    InvalidName {
        /// The name, quoted.
        name: String,
        /// What a name must be, and is not.
        rule: &'static str,
    },
    /// The help text cannot be exported.
    #[error(
        "metric {name}: its help has at most {MAX_HELP_CHARS} characters and no control character but the line feed; shorten or clean it"
    )]
    InvalidHelp {
        /// The metric.
        name: String,
    },
    /// The name of a label has not the form of one, or is reserved.
    #[error("label {label}: {rule}")]
    InvalidLabel {
        /// The name, quoted.
        label: String,
        /// What a name must be, and is not.
        rule: &'static str,
    },
    /// The value of a label cannot be exported.
    #[error(
        "label {label}: a value has at most {MAX_LABEL_VALUE_BYTES} bytes and no control character but the line feed; shorten or clean it"
    )]
    InvalidLabelValue {
        /// The name of the label, quoted.
        label: String,
    },
    /// More labels than a series has.
    #[error("{count} labels are more than the {MAX_LABELS} of a series; leave some out")]
    TooManyLabels {
        /// What was given.
        count: usize,
    },
    /// The number cannot be a value of this kind.
    #[error("metric {name}: {rule}")]
    InvalidValue {
        /// The metric.
        name: String,
        /// What a value must be, and is not.
        rule: &'static str,
    },
    /// The buckets are not buckets.
    #[error(
        "metric {name}: buckets are 1 to {MAX_BUCKETS} finite upper bounds of 0 or more, each larger than the one before"
    )]
    InvalidBuckets {
        /// The metric.
        name: String,
    },
    /// The metric was reported before, as another kind.
    #[error("metric {name} is a {first} since its first report and cannot become a {now}; use another name")]
    KindChanged {
        /// The metric.
        name: String,
        /// The kind of its first report.
        first: &'static str,
        /// The kind of this one.
        now: &'static str,
    },
    /// The metric was reported before, with other labels.
    #[error("metric {name} has {} since its first report; report it with the same", label_names(.first))]
    LabelsChanged {
        /// The metric.
        name: String,
        /// The label names of its first report.
        first: Vec<String>,
    },
    /// The histogram was reported before, with other buckets.
    #[error(
        "histogram {name} has other buckets since its first report; give the same or none, or use another name"
    )]
    BucketsChanged {
        /// The metric.
        name: String,
    },
    /// The module has as many series as it may have.
    #[error(
        "metric {name} would need {needed} more series and {used} of this module's {max} are in use; use fewer metrics and label values (a histogram takes one for each bucket and three more)"
    )]
    TooManySeries {
        /// The metric.
        name: String,
        /// How many the new series needs.
        needed: usize,
        /// How many the module has.
        used: usize,
        /// How many it may have.
        max: usize,
    },
    /// The host gave the same series twice, or one name two kinds or texts.
    #[error("host metric {name} is given twice, or with two kinds or help texts")]
    HostConflict {
        /// The metric.
        name: String,
    },
}

impl MetricError {
    pub(crate) fn kind_changed(name: &str, first: Kind, now: Kind) -> Self {
        Self::KindChanged { name: name.to_owned(), first: first.word(), now: now.word() }
    }
}

/// A name that is not one yet, as a message shows it.
pub(crate) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}

fn label_names(names: &[String]) -> String {
    if names.is_empty() { "no labels".to_owned() } else { format!("the labels {}", names.join(", ")) }
}
