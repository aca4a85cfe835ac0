//! The registry as Prometheus text, exposition format 0.0.4. The same registry always gives the same text; nothing that
//! a module reported can end a line or a quote in it.
//!
//! A module's metric `x` becomes the family `cofferdam_module_<kind>_x`, with the label `module` before its own. The
//! kind is a part of the name because two modules may report the same name with different kinds, and a family has one.
//! Two that report the same name and kind share a family, which Prometheus can sum over modules.

use std::collections::BTreeMap;

use crate::registry::{Kind, Metric};
use crate::{HostMetrics, Registry, Value};

/// How the names of all families begin that modules report.
pub(crate) const MODULE_PREFIX: &str = "cofferdam_module_";

impl Registry {
    /// Everything that modules reported, and the host's own series, as text for an HTTP reply of the content type
    /// `text/plain; version=0.0.4; charset=utf-8`.
    #[must_use]
    pub fn render(&self, host: &HostMetrics) -> String {
        let mut text = String::new();
        for (name, family) in &host.families {
            describe(&mut text, name, &family.help, family.kind.word());
            for (labels, value) in &family.series {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                sample(&mut text, name, &labels, &number(*value));
            }
        }
        for ((kind, name), modules) in self.families() {
            let family = format!("{MODULE_PREFIX}{}_{name}", kind.word());
            let help = format!("The {} {name} that modules report.", kind.word());
            describe(&mut text, &family, &help, kind.word());
            for (module, metric) in modules {
                render_metric(&mut text, &family, module, metric);
            }
        }
        text
    }

    /// By kind and name: who reports it.
    fn families(&self) -> BTreeMap<(Kind, &str), Vec<(&str, &Metric)>> {
        let mut families = BTreeMap::<_, Vec<_>>::new();
        for (module, reported) in &self.modules {
            for (name, metric) in &reported.metrics {
                families.entry((metric.kind, name.as_str())).or_default().push((module.as_str(), metric));
            }
        }
        families
    }
}

fn render_metric(text: &mut String, family: &str, module: &str, metric: &Metric) {
    for (values, value) in &metric.series {
        let mut labels = vec![("module", module)];
        labels.extend(
            metric.label_names.iter().zip(values).map(|(name, value)| (name.as_str(), value.as_str())),
        );
        match value {
            Value::Counter(value) | Value::Gauge(value) => sample(text, family, &labels, &number(*value)),
            Value::Histogram(histogram) => {
                for (bound, count) in &histogram.buckets {
                    let bound = number(*bound);
                    let with_bound = [labels.as_slice(), &[("le", bound.as_str())]].concat();
                    sample(text, &format!("{family}_bucket"), &with_bound, &count.to_string());
                }
                sample(text, &format!("{family}_sum"), &labels, &number(histogram.sum));
                sample(text, &format!("{family}_count"), &labels, &histogram.count().to_string());
            }
        }
    }
}

/// The two lines that open a family.
fn describe(text: &mut String, family: &str, help: &str, kind: &str) {
    let help = help.replace('\\', r"\\").replace('\n', r"\n");
    text.push_str(&format!("# HELP {family} {help}\n# TYPE {family} {kind}\n"));
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    let pairs: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
    let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
    text.push_str(&format!("{name}{labels} {value}\n"));
}

/// A label's value, as the format escapes it.
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// A number as Go reads it, and the shortest that reads back as the same.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        return "+Inf".to_owned();
    }
    // `{:?}` writes 5 as 5.0 and large numbers with an exponent, where `{}` would write hundreds of digits.
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
