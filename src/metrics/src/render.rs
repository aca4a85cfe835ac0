//! The registry as Prometheus text, exposition format 0.0.4. The same registry always gives the same text; nothing that
//! a module reported can end a line or a quote in it.
//!
//! A module's metric `x` becomes the family `cofferdam_module_<kind>_x`, with the label `module` before its own. The
//! kind is a part of the name because two modules may report the same name with different kinds, and a family has one.
//! Two that report the same name and kind share a family, which Prometheus can sum over modules. A family has one help
//! text too: that of the first of its modules by name that gave one, with that module's name before it, so that no
//! module's words pass for another's or for the host's.

use std::collections::{BTreeMap, BTreeSet};

use crate::registry::{Kind, Metric, Module};
use crate::{HostMetrics, Registry, Value};

/// How the names of all families begin that modules report.
pub(crate) const MODULE_PREFIX: &str = "cofferdam_module_";

impl Registry {
    /// Everything that modules reported, and the host's own series, as text for an HTTP reply of the content type
    /// `text/plain; version=0.0.4; charset=utf-8`.
    #[must_use]
    pub fn render(&self, host: &HostMetrics) -> String {
        self.render_within(host, usize::MAX)
    }

    /// The same, of up to `max_bytes` and the names of modules. The host's own series are always there. If all are too
    /// long together, the modules with the longest are left out and named in the last line: no module can keep the
    /// others from being looked after.
    #[must_use]
    pub fn render_within(&self, host: &HostMetrics, max_bytes: usize) -> String {
        let mut text = render_host(host);
        let left_out = self.beyond(max_bytes.saturating_sub(text.len()));
        for ((kind, name), modules) in self.families(&left_out) {
            let said = modules.iter().find_map(|(module, metric)| metric.said_by(module));
            let family = describe_reported(&mut text, kind, name, said);
            for (module, metric) in modules {
                render_metric(&mut text, &family, module, metric);
            }
        }
        if !left_out.is_empty() {
            let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
            text.push_str(&format!("# left out, because all are too long together: {names}\n"));
        }
        text
    }

    /// The modules whose series are the longest and do not fit into `max_bytes` beside those of the others.
    fn beyond(&self, max_bytes: usize) -> BTreeSet<&str> {
        let mut sizes: Vec<(usize, &str)> =
            self.modules.iter().map(|(name, module)| (length(name, module), name.as_str())).collect();
        sizes.sort_unstable();
        let mut used = 0_usize;
        let fits = |(bytes, _): &&(usize, &str)| {
            used = used.saturating_add(*bytes);
            used <= max_bytes
        };
        let kept = sizes.iter().take_while(fits).count();
        sizes.into_iter().skip(kept).map(|(_, name)| name).collect()
    }

    /// By kind and name: who reports it.
    fn families(&self, left_out: &BTreeSet<&str>) -> BTreeMap<(Kind, &str), Vec<(&str, &Metric)>> {
        let mut families = BTreeMap::<_, Vec<_>>::new();
        for (module, reported) in self.modules.iter().filter(|(name, _)| !left_out.contains(name.as_str())) {
            for (name, metric) in &reported.metrics {
                families.entry((metric.kind, name.as_str())).or_default().push((module.as_str(), metric));
            }
        }
        families
    }
}

fn render_host(host: &HostMetrics) -> String {
    let mut text = String::new();
    for (name, family) in &host.families {
        describe(&mut text, name, &family.help, family.kind.word());
        for (labels, value) in &family.series {
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            sample(&mut text, name, &labels, &number(*value));
        }
    }
    text
}

/// How long the text of a module is, with the beginning of every family, which it may share with others.
fn length(name: &str, module: &Module) -> usize {
    let length = |(metric_name, metric): (&String, &Metric)| {
        let mut text = String::new();
        let family = describe_reported(&mut text, metric.kind, metric_name, metric.said_by(name));
        render_metric(&mut text, &family, name, metric);
        text.len()
    };
    module.metrics.iter().map(length).fold(0, usize::saturating_add)
}

/// Opens the family of what modules report under a name, with what one of them says of it, and gives its name.
fn describe_reported(text: &mut String, kind: Kind, name: &str, said: Option<(&str, &str)>) -> String {
    let family = format!("{MODULE_PREFIX}{}_{name}", kind.word());
    let help = match said {
        Some((module, help)) => format!("{module}: {help}"),
        None => format!("The {} {name} that modules report.", kind.word()),
    };
    describe(text, &family, &help, kind.word());
    family
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
