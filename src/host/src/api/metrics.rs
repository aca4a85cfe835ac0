//! Metrics: what modules report, and what they may read of it.

use cofferdam_metrics::{Change, Labels, MetricError, Series, Value};
use cofferdam_protocol::calls::{GetAllMetrics, GetModuleMetrics, ReportMetric};
use cofferdam_protocol::metrics::{
    AllMetrics, Label, Labels as WireLabels, Metric, MetricValue, ModuleSamples, Sample, SampleValue, Samples,
};
use cofferdam_protocol::{ApiError, BoundedVec};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};

/// The most bytes of metrics in one reply: as much as a large reply may take.
const MAX_ALL_BYTES: usize = 4_000_000;

impl Handle<ReportMetric> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<ReportMetric>) -> Result<(), ApiError> {
        let Metric { name, help, labels, value } = call.into_call().metric;
        let labels = labels_of(labels)?;
        let change = match value {
            MetricValue::Counter(value) => Change::Add(value),
            MetricValue::Gauge(value) => Change::Set(value),
            MetricValue::Histogram(value) => Change::Observe { value, buckets: None },
        };
        caller.reporting.report(&name, &help, &labels, change).map_err(refusal)
    }
}

impl Handle<GetModuleMetrics> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, _: &Caller, call: Authorized<GetModuleMetrics>) -> Result<Samples, ApiError> {
        let module = call.into_call().module_id;
        if !self.modules().is_installed(&module) {
            return Err(ApiError::ModuleNotFound { module: module.chars().take(64).collect() });
        }
        Ok(samples(self.metrics().of(&module)))
    }
}

impl Handle<GetAllMetrics> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, _: &Caller, _: Authorized<GetAllMetrics>) -> Result<AllMetrics, ApiError> {
        let (mut all, mut bytes) = (Vec::new(), 0);
        // One module at a time, so that no more than a reply is ever held.
        for (name, ..) in self.modules().census() {
            let series = self.metrics().of(name.as_str());
            bytes = series.iter().map(size).fold(bytes, usize::saturating_add);
            if bytes > MAX_ALL_BYTES {
                let reason = format!("over {MAX_ALL_BYTES} bytes of metrics; ask with get_module_metrics");
                return Err(ApiError::Unsupported { backend: "cofferdam".to_owned(), reason });
            }
            if !series.is_empty() {
                all.push(ModuleSamples { module: name.to_string(), samples: samples(series) });
            }
        }
        Ok(AllMetrics::truncated(all))
    }
}

/// What a series takes on the wire, roughly.
fn size(series: &Series) -> usize {
    let labels = series.labels.iter().map(|(name, value)| name.len() + value.len() + 16).sum::<usize>();
    series.name.len().saturating_add(labels).saturating_add(48)
}

fn labels_of(labels: WireLabels) -> Result<Labels, ApiError> {
    let mut by_name = Labels::new();
    for Label { name, value } in labels {
        if by_name.contains_key(&name) {
            return Err(invalid("labels", "a label is named twice".to_owned()));
        }
        by_name.insert(name, value);
    }
    Ok(by_name)
}

fn samples(series: Vec<Series>) -> Samples {
    Samples::truncated(series.into_iter().map(|series| {
        let Series { name, labels, value } = series;
        let labels = BoundedVec::truncated(labels.into_iter().map(|(name, value)| Label { name, value }));
        let value = match value {
            Value::Counter(value) => SampleValue::Counter(value),
            Value::Gauge(value) => SampleValue::Gauge(value),
            Value::Histogram(histogram) => {
                SampleValue::Histogram { count: histogram.count(), sum: histogram.sum }
            }
        };
        Sample { name, labels, value }
    }))
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all others are about what was given")]
fn refusal(error: MetricError) -> ApiError {
    match error {
        MetricError::TooManySeries { needed, used, max, .. } => ApiError::QuotaExceeded {
            what: "series of metrics".to_owned(),
            requested: bounded(used.saturating_add(needed)),
            limit: bounded(max),
        },
        other @ MetricError::InvalidHelp { .. } => invalid("help", other.to_string()),
        other => invalid("metric", other.to_string()),
    }
}

fn invalid(argument: &str, problem: String) -> ApiError {
    ApiError::InvalidArgument { argument: argument.to_owned(), problem }
}

fn bounded(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
