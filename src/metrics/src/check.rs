//! The form of names, labels, values and buckets. It never changes what it looks at: what is wrong is refused, not
//! mended, so that two reports never become one series by accident.

use crate::error::quote;
use crate::registry::Kind;
use crate::{
    Labels, MAX_BUCKETS, MAX_HELP_CHARS, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES, MetricError,
};

/// What a histogram adds to its name for its parts: a histogram of such a name could not be told from a part.
const HISTOGRAM_PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The labels that the export itself writes, and one that Prometheus takes for a part of a summary.
const RESERVED_LABELS: [&str; 3] = ["module", "le", "quantile"];

/// The name of a module's metric.
pub(crate) fn metric_name(name: &str, kind: Kind) -> Result<(), MetricError> {
    let is_part = || kind == Kind::Histogram && HISTOGRAM_PARTS.iter().any(|suffix| name.ends_with(suffix));
    let rule = match name_rule(name, |byte| byte == b':') {
        Some(rule) => rule,
        None if is_part() => "a histogram's name does not end in _bucket, _sum or _count; rename it",
        None => return Ok(()),
    };
    Err(MetricError::InvalidName { name: quote(name), rule })
}

/// What a module says of its metric.
pub(crate) fn help(name: &str, help: &str) -> Result<(), MetricError> {
    // The format can escape a line feed and no other control character.
    let is_text = !help.chars().any(|c| c.is_control() && c != '\n');
    if is_text && help.chars().nth(MAX_HELP_CHARS).is_none() {
        return Ok(());
    }
    Err(MetricError::InvalidHelp { name: name.to_owned() })
}

/// The labels of a module's series.
pub(crate) fn module_labels(labels: &Labels) -> Result<(), MetricError> {
    if let Some(label) = labels.keys().find(|label| RESERVED_LABELS.contains(&label.as_str())) {
        let rule = "is reserved: the export writes it itself; rename it";
        return Err(MetricError::InvalidLabel { label: quote(label), rule });
    }
    any_labels(labels)
}

/// The labels of any series.
pub(crate) fn any_labels(labels: &Labels) -> Result<(), MetricError> {
    if labels.len() > MAX_LABELS {
        return Err(MetricError::TooManyLabels { count: labels.len() });
    }
    for (label, value) in labels {
        let rule = match name_rule(label, |_| false) {
            None if label.starts_with("__") => {
                Some("names that begin with __ are Prometheus's own; rename it")
            }
            rule => rule,
        };
        if let Some(rule) = rule {
            return Err(MetricError::InvalidLabel { label: quote(label), rule });
        }
        // The format can escape a line feed and no other control character.
        if value.len() > MAX_LABEL_VALUE_BYTES || value.chars().any(|c| c.is_control() && c != '\n') {
            return Err(MetricError::InvalidLabelValue { label: quote(label) });
        }
    }
    Ok(())
}

/// A value that can be added up without spoiling the sum for good, as NaN and the infinities do.
pub(crate) fn value(name: &str, kind: Kind, value: f64) -> Result<(), MetricError> {
    let rule = if !value.is_finite() {
        "a value is a finite number; report nothing where there is none"
    } else if value < 0.0 && kind == Kind::Counter {
        "a counter only grows; use a gauge for what can shrink"
    } else if value < 0.0 && kind == Kind::Histogram {
        "a histogram counts values of 0 or more; use a gauge for others"
    } else {
        return Ok(());
    };
    Err(MetricError::InvalidValue { name: name.to_owned(), rule })
}

/// The upper bounds of a histogram's buckets.
pub(crate) fn buckets(name: &str, bounds: &[f64]) -> Result<(), MetricError> {
    let ascend = bounds.is_sorted_by(|one, next| one < next);
    let fits = (1..=MAX_BUCKETS).contains(&bounds.len());
    if fits && ascend && bounds.iter().all(|bound| bound.is_finite() && *bound >= 0.0) {
        Ok(())
    } else {
        Err(MetricError::InvalidBuckets { name: name.to_owned() })
    }
}

/// Which rule for names this one breaks.
fn name_rule(name: &str, also: impl Fn(u8) -> bool) -> Option<&'static str> {
    let Some(first) = name.bytes().next() else {
        return Some("is empty; give it a name");
    };
    if name.len() > MAX_NAME_BYTES {
        return Some("is longer than 64 bytes; shorten it");
    }
    if first.is_ascii_digit() {
        return Some("begins with a digit; put a letter before it");
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || also(byte);
    (!name.bytes().all(is_allowed)).then_some("holds something else than letters, digits and _; rename it")
}
