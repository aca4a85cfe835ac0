//! What every module has reported. It never lets one module's reports change or crowd out another's.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{DEFAULT_BUCKETS, Labels, MetricError, check};

/// The metrics of all modules.
///
/// The caller says which module reports; that name is never taken from the report. Modules that are not forgotten stay,
/// so the caller's roster bounds how many there are.
///
/// A clone is cheap, and shows the registry as it was: what a module reports next pays for a copy of its own metrics.
#[derive(Debug, Clone)]
pub struct Registry {
    max_series: usize,
    pub(crate) modules: BTreeMap<String, Arc<Module>>,
}

/// What a report does to a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change<'b> {
    /// Adds to a counter: 0 or more.
    Add(f64),
    /// Sets a gauge.
    Set(f64),
    /// Counts one value, 0 or more, in a histogram.
    Observe {
        /// The value.
        value: f64,
        /// The upper bounds of the buckets, ascending. `None` takes those of the first report, and at the first report
        /// [`DEFAULT_BUCKETS`].
        buckets: Option<&'b [f64]>,
    },
}

/// One series of a module, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric's name, as the module reports it.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The sum of what was added.
    Counter(f64),
    /// What was set last.
    Gauge(f64),
    /// What was observed.
    Histogram(Histogram),
}

/// Observed values, by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// For each bucket its upper bound, and how many values were at most that. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all values.
    pub sum: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Module {
    pub(crate) metrics: BTreeMap<String, Metric>,
    /// How many series these are when they are exported.
    used: usize,
}

/// The series of one name.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) kind: Kind,
    /// What the module says of it; empty if it has said nothing.
    pub(crate) help: String,
    pub(crate) label_names: Vec<String>,
    /// The upper bounds of a histogram's buckets; empty for other kinds.
    bounds: Vec<f64>,
    /// By the values of the labels, in the order of their names.
    pub(crate) series: BTreeMap<Vec<String>, Value>,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Change<'_> {
    fn kind(&self) -> Kind {
        match self {
            Self::Add(_) => Kind::Counter,
            Self::Set(_) => Kind::Gauge,
            Self::Observe { .. } => Kind::Histogram,
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Add(value) | Self::Set(value) | Self::Observe { value, .. } => *value,
        }
    }
}

impl Registry {
    /// An empty registry in which each module has at most `max_series` series. A histogram counts as one for each of
    /// its buckets and three more, since that is what it becomes when it is exported.
    #[must_use]
    pub fn new(max_series: usize) -> Self {
        Self { max_series, modules: BTreeMap::new() }
    }

    /// Notes what `module` reports of the metric `name`.
    ///
    /// # Errors
    /// The name, the labels, the value or the buckets are not valid, the metric was first reported as another kind, with
    /// other label names or other buckets, or the module has too many series.
    pub fn report(
        &mut self,
        module: &str,
        name: &str,
        labels: &Labels,
        change: Change<'_>,
    ) -> Result<(), MetricError> {
        self.report_described(module, name, "", labels, change)
    }

    /// The same, with what the module says that the metric is. The first text that is not empty is kept.
    ///
    /// # Errors
    /// As of [`report`](Self::report), and [`MetricError::InvalidHelp`].
    pub fn report_described(
        &mut self,
        module: &str,
        name: &str,
        help: &str,
        labels: &Labels,
        change: Change<'_>,
    ) -> Result<(), MetricError> {
        let kind = change.kind();
        check::metric_name(name, kind)?;
        check::help(name, help)?;
        check::module_labels(labels)?;
        check::value(name, kind, change.number())?;
        let given = match change {
            Change::Observe { buckets, .. } => buckets,
            Change::Add(_) | Change::Set(_) => None,
        };
        if let Some(bounds) = given {
            check::buckets(name, bounds)?;
        }
        let known = self.modules.get(module);
        let metric = known.and_then(|module| module.metrics.get(name));
        let values: Vec<String> = labels.values().cloned().collect();
        let (bounds, old) = match metric {
            Some(metric) => {
                metric.check(name, kind, labels, given)?;
                (metric.bounds.as_slice(), metric.series.get(&values))
            }
            None if kind == Kind::Histogram => (given.unwrap_or(&DEFAULT_BUCKETS), None),
            None => (&[][..], None),
        };
        let needed = match old {
            Some(_) => 0,
            None => cost(kind, bounds),
        };
        let used = known.map_or(0, |module| module.used);
        if used.saturating_add(needed) > self.max_series {
            let name = name.to_owned();
            return Err(MetricError::TooManySeries { name, needed, used, max: self.max_series });
        }
        let new = changed(name, old, bounds, change)?;
        let bounds = bounds.to_vec();
        let module = Arc::make_mut(self.modules.entry(module.to_owned()).or_default());
        module.used = module.used.saturating_add(needed);
        let label_names = || labels.keys().cloned().collect();
        let metric = module.metrics.entry(name.to_owned()).or_insert_with(|| Metric {
            kind,
            help: String::new(),
            label_names: label_names(),
            bounds,
            series: BTreeMap::new(),
        });
        if metric.help.is_empty() {
            help.clone_into(&mut metric.help);
        }
        metric.series.insert(values, new);
        Ok(())
    }

    /// Forgets all that a module reported: it is gone, or it starts anew and its counters with it.
    pub fn forget(&mut self, module: &str) {
        self.modules.remove(module);
    }

    /// The series of one module, by name and labels; none if it reported nothing.
    #[must_use]
    pub fn module(&self, module: &str) -> Vec<Series> {
        self.modules.get(module).map(|module| module.snapshot()).unwrap_or_default()
    }

    /// The series of every module that reported something.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Vec<Series>> {
        self.modules.iter().map(|(name, module)| (name.clone(), module.snapshot())).collect()
    }
}

impl Module {
    fn snapshot(&self) -> Vec<Series> {
        let of = |(name, metric): (&String, &Metric)| metric.snapshot(name);
        self.metrics.iter().flat_map(of).collect()
    }
}

impl Metric {
    /// What `module`, whose metric this is, says of it, if anything.
    pub(crate) fn said_by<'a>(&'a self, module: &'a str) -> Option<(&'a str, &'a str)> {
        (!self.help.is_empty()).then_some((module, self.help.as_str()))
    }

    fn snapshot(&self, name: &str) -> Vec<Series> {
        let one = |(values, value): (&Vec<String>, &Value)| Series {
            name: name.to_owned(),
            labels: self.label_names.iter().cloned().zip(values.iter().cloned()).collect(),
            value: value.clone(),
        };
        self.series.iter().map(one).collect()
    }

    /// Whether a report is of the same metric.
    fn check(
        &self,
        name: &str,
        kind: Kind,
        labels: &Labels,
        bounds: Option<&[f64]>,
    ) -> Result<(), MetricError> {
        if self.kind != kind {
            return Err(MetricError::kind_changed(name, self.kind, kind));
        }
        if !self.label_names.iter().eq(labels.keys()) {
            return Err(MetricError::LabelsChanged {
                name: name.to_owned(),
                first: self.label_names.clone(),
            });
        }
        if bounds.is_some_and(|bounds| bounds != self.bounds) {
            return Err(MetricError::BucketsChanged { name: name.to_owned() });
        }
        Ok(())
    }
}

/// How many series of Prometheus one of ours is: a histogram has its buckets, the infinite one, the sum and the count.
fn cost(kind: Kind, bounds: &[f64]) -> usize {
    match kind {
        Kind::Counter | Kind::Gauge => 1,
        Kind::Histogram => bounds.len().saturating_add(3),
    }
}

/// A series after a change.
fn changed(
    name: &str,
    old: Option<&Value>,
    bounds: &[f64],
    change: Change<'_>,
) -> Result<Value, MetricError> {
    Ok(match (change, old) {
        (Change::Add(increment), Some(Value::Counter(sum))) => Value::Counter(sum_of(name, *sum, increment)?),
        (Change::Add(increment), _) => Value::Counter(sum_of(name, 0.0, increment)?),
        (Change::Set(value), _) => Value::Gauge(value + 0.0),
        (Change::Observe { value, .. }, Some(Value::Histogram(histogram))) => {
            Value::Histogram(histogram.with(name, value)?)
        }
        (Change::Observe { value, .. }, _) => Value::Histogram(Histogram::empty(bounds).with(name, value)?),
    })
}

/// A sum that is still a number: 0.0 is added because the sum of nothing may be written -0.
fn sum_of(name: &str, one: f64, other: f64) -> Result<f64, MetricError> {
    let sum = one + other + 0.0;
    if sum.is_finite() {
        return Ok(sum);
    }
    let rule = "the sum of its values is larger than a number can be; use a smaller unit";
    Err(MetricError::InvalidValue { name: name.to_owned(), rule })
}

impl Histogram {
    /// How many values there are: all of them are in the infinite bucket.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    fn empty(bounds: &[f64]) -> Self {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        Self { buckets: bounds.map(|bound| (bound + 0.0, 0)).collect(), sum: 0.0 }
    }

    fn with(&self, name: &str, value: f64) -> Result<Self, MetricError> {
        let sum = sum_of(name, self.sum, value)?;
        let count = |(bound, count): &(f64, u64)| (*bound, count.saturating_add(u64::from(value <= *bound)));
        Ok(Self { buckets: self.buckets.iter().map(count).collect(), sum })
    }
}
