//! The host's own series, given anew for each export. They never share a name with what modules report.

use std::collections::BTreeMap;

use crate::render::MODULE_PREFIX;
use crate::{Labels, MetricError, check, registry::Kind};

/// What kind of number a host's series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// It only grows while the host runs.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The host's series of one export.
#[derive(Debug, Clone, Default)]
pub struct HostMetrics {
    pub(crate) families: BTreeMap<String, Family>,
}

#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) kind: HostKind,
    pub(crate) help: String,
    pub(crate) series: BTreeMap<Labels, f64>,
}

impl HostKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Counter => Kind::Counter.word(),
            Self::Gauge => Kind::Gauge.word(),
        }
    }
}

impl HostMetrics {
    /// No series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series. All series of one name have the same kind and help text; the label `module` may be used.
    ///
    /// # Errors
    /// The name or a label is not valid, the name begins like those of modules' metrics, the value is not finite (or is
    /// below 0 for a counter), the series is there already, or its name with another kind or text.
    pub fn add(
        &mut self,
        kind: HostKind,
        name: &str,
        help: &str,
        labels: Labels,
        value: f64,
    ) -> Result<(), MetricError> {
        let module_kind = match kind {
            HostKind::Counter => Kind::Counter,
            HostKind::Gauge => Kind::Gauge,
        };
        check::metric_name(name, module_kind)?;
        check::any_labels(&labels)?;
        check::value(name, module_kind, value)?;
        if name.starts_with(MODULE_PREFIX) {
            let rule = "begins like the metrics of modules; rename it";
            return Err(MetricError::InvalidName { name: name.to_owned(), rule });
        }
        let new = || Family { kind, help: help.to_owned(), series: BTreeMap::new() };
        let family = self.families.entry(name.to_owned()).or_insert_with(new);
        if family.kind != kind || family.help != help || family.series.contains_key(&labels) {
            return Err(MetricError::HostConflict { name: name.to_owned() });
        }
        family.series.insert(labels, value + 0.0);
        Ok(())
    }
}
