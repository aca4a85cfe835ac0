//! The exported text, read back by a parser that nobody here wrote: it holds exactly what the registry holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on says so"
)]

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_metrics::{Change, HostKind, HostMetrics, Labels, Registry, Value};
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{PrometheusType, PrometheusValue};
use proptest::prelude::*;

/// What a parser or the registry says of a series.
#[derive(Debug, Clone, PartialEq)]
enum Number {
    Counter(f64),
    Gauge(f64),
    Histogram { buckets: Vec<(f64, u64)>, sum: f64, count: u64 },
}

type Everything = BTreeMap<(String, Labels), Number>;

/// What the text says, by the parser. The text format lets the series of a family have different labels, and Prometheus
/// reads them; this parser does not, so each family is given to it once for each set of label names.
fn read_back(text: &str) -> Everything {
    let mut found = Everything::new();
    let mut families = BTreeSet::new();
    for family in
        text.split_inclusive('\n').collect::<Vec<_>>().chunk_by(|_, next| !next.starts_with("# HELP "))
    {
        let (head, samples) = family.split_at(2);
        assert!(head[0].starts_with("# HELP ") && head[1].starts_with("# TYPE "), "{head:?}");
        let name = head[0].split(' ').nth(2).unwrap();
        assert_eq!(head[1].split(' ').nth(2), Some(name));
        assert!(families.insert(name.to_owned()), "{name} is described once");
        let mut by_labels = BTreeMap::<String, String>::new();
        for sample in samples {
            by_labels.entry(skeleton(sample)).or_insert_with(|| head.concat()).push_str(sample);
        }
        by_labels.values().for_each(|text| read_uniform(text, &mut found));
    }
    found
}

/// The label names of a line, without `le`: what is left without the quoted parts.
fn skeleton(line: &str) -> String {
    let unescaped = line.replace(r"\\", "").replace("\\\"", "");
    let outside: String = unescaped.split('"').step_by(2).collect();
    outside[outside.find('{').unwrap_or(0)..outside.rfind('}').unwrap_or(0)].replace(",le=", "")
}

/// Reads text in which every family has one set of label names.
fn read_uniform(text: &str, found: &mut Everything) {
    let exposition = parse_prometheus(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for family in exposition.families.values() {
        for sample in family.iter_samples() {
            let labels = sample.get_labelset().unwrap();
            let labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let number = match (&family.family_type, &sample.value) {
                (PrometheusType::Counter, PrometheusValue::Counter(counter)) => {
                    Number::Counter(counter.value.as_f64())
                }
                (PrometheusType::Gauge, PrometheusValue::Gauge(value)) => Number::Gauge(value.as_f64()),
                (PrometheusType::Histogram, PrometheusValue::Histogram(histogram)) => Number::Histogram {
                    buckets: histogram
                        .buckets
                        .iter()
                        .map(|bucket| (bucket.upper_bound, bucket.count.as_i64().unwrap() as u64))
                        .collect(),
                    sum: histogram.sum.unwrap().as_f64(),
                    count: histogram.count.unwrap(),
                },
                other => panic!("{other:?}"),
            };
            assert_eq!(found.insert((family.family_name.clone(), labels), number), None, "a series twice");
        }
    }
}

/// What the registry says, under the names that the text gives it.
fn expected(registry: &Registry) -> Everything {
    let mut expected = Everything::new();
    for (module, series) in registry.all() {
        for one in series {
            let (kind, number) = match one.value {
                Value::Counter(value) => ("counter", Number::Counter(value)),
                Value::Gauge(value) => ("gauge", Number::Gauge(value)),
                Value::Histogram(histogram) => {
                    let count = histogram.count();
                    ("histogram", Number::Histogram { buckets: histogram.buckets, sum: histogram.sum, count })
                }
            };
            let mut labels = one.labels;
            labels.insert("module".to_owned(), module.clone());
            expected.insert((format!("cofferdam_module_{kind}_{}", one.name), labels), number);
        }
    }
    expected
}

#[test]
fn the_text_is_what_it_was_when_it_was_last_read_by_a_person() {
    let mut registry = Registry::new(256);
    let labels = Labels::from([("path".to_owned(), "C:\\\"x\"\nend".to_owned())]);
    registry.report("fee-watch", "requests_total", &labels, Change::Add(3.0)).unwrap();
    registry.report("fee-watch", "depth", &Labels::new(), Change::Set(-0.5)).unwrap();
    registry.report("a", "depth", &Labels::new(), Change::Add(1e300)).unwrap();
    let change = Change::Observe { value: 0.25, buckets: Some(&[0.5, 2.0]) };
    registry.report("a", "seconds", &Labels::new(), change).unwrap();
    let mut host = HostMetrics::new();
    let labels = Labels::from([("module".to_owned(), "a".to_owned())]);
    host.add(HostKind::Gauge, "cofferdam_up", "1 while it runs.", labels, 1.0).unwrap();
    let text = r#"# HELP cofferdam_up 1 while it runs.
# TYPE cofferdam_up gauge
cofferdam_up{module="a"} 1
# HELP cofferdam_module_counter_depth The counter depth that modules report.
# TYPE cofferdam_module_counter_depth counter
cofferdam_module_counter_depth{module="a"} 1e300
# HELP cofferdam_module_counter_requests_total The counter requests_total that modules report.
# TYPE cofferdam_module_counter_requests_total counter
cofferdam_module_counter_requests_total{module="fee-watch",path="C:\\\"x\"\nend"} 3
# HELP cofferdam_module_gauge_depth The gauge depth that modules report.
# TYPE cofferdam_module_gauge_depth gauge
cofferdam_module_gauge_depth{module="fee-watch"} -0.5
# HELP cofferdam_module_histogram_seconds The histogram seconds that modules report.
# TYPE cofferdam_module_histogram_seconds histogram
cofferdam_module_histogram_seconds_bucket{module="a",le="0.5"} 1
cofferdam_module_histogram_seconds_bucket{module="a",le="2"} 1
cofferdam_module_histogram_seconds_bucket{module="a",le="+Inf"} 1
cofferdam_module_histogram_seconds_sum{module="a"} 0.25
cofferdam_module_histogram_seconds_count{module="a"} 1
"#;
    assert_eq!(registry.render(&host), text);
    assert_eq!(read_back(text).len(), 5);
}

#[test]
fn an_empty_registry_is_an_empty_text() {
    assert_eq!(Registry::new(1).render(&HostMetrics::new()), "");
}

#[test]
fn the_parser_finds_a_quote_that_is_not_escaped() {
    let broken = "# HELP a b\n# TYPE a gauge\na{x=\"y\"z\"} 1\n";
    parse_prometheus(broken).unwrap_err();
    parse_prometheus(&broken.replace("y\"z", "y\\\"z")).unwrap();
}

#[test]
fn host_series_cannot_contradict_each_other_or_pass_for_a_modules() {
    let mut host = HostMetrics::new();
    let mut add = |kind, name: &str, help: &str, value| host.add(kind, name, help, Labels::new(), value);
    add(HostKind::Gauge, "x", "back\\slash\nand line", 1.0).unwrap();
    assert!(add(HostKind::Gauge, "x", "back\\slash\nand line", 1.0).is_err());
    assert!(add(HostKind::Counter, "x", "back\\slash\nand line", 1.0).is_err());
    assert!(add(HostKind::Gauge, "x", "other", 1.0).is_err());
    assert!(add(HostKind::Gauge, "cofferdam_module_gauge_x", "", 1.0).is_err());
    assert!(add(HostKind::Gauge, "y", "", f64::NAN).is_err());
    assert!(add(HostKind::Gauge, "a b", "", 1.0).is_err());
    let text = Registry::new(1).render(&host);
    assert_eq!(parse_prometheus(&text).unwrap().families["x"].help, "back\\slash\nand line");
}

fn help_of(registry: &Registry, family: &str) -> String {
    parse_prometheus(&registry.render(&HostMetrics::new())).unwrap().families[family].help.clone()
}

#[test]
fn the_first_help_that_a_module_gives_is_printed_with_its_name_and_cannot_end_its_line() {
    let mut registry = Registry::new(9);
    let mut report = |module: &str, help: &str| {
        registry.report_described(module, "depth", help, &Labels::new(), Change::Set(1.0)).unwrap();
        help_of(&registry, "cofferdam_module_gauge_depth")
    };
    assert_eq!(report("b", ""), "The gauge depth that modules report.");
    assert_eq!(report("b", "of \\ it\n# TYPE x gauge"), "b: of \\ it\n# TYPE x gauge");
    assert_eq!(report("b", "another"), "b: of \\ it\n# TYPE x gauge", "the first is kept");
    assert_eq!(report("a", "a's own"), "a: a's own", "the first of the modules by name");
    assert_eq!(report("c", "c's own"), "a: a's own");
}

#[test]
fn a_help_text_that_cannot_be_exported_is_refused_and_changes_nothing() {
    let mut registry = Registry::new(9);
    let long = "ä".repeat(cofferdam_metrics::MAX_HELP_CHARS);
    for help in [format!("{long}x"), "\u{1b}[2J".to_owned(), "a\rb".to_owned()] {
        let refused = registry.report_described("a", "x", &help, &Labels::new(), Change::Set(1.0));
        assert!(matches!(refused, Err(cofferdam_metrics::MetricError::InvalidHelp { .. })), "{refused:?}");
    }
    assert_eq!(registry.module("a"), []);
    registry.report_described("a", "x", &long, &Labels::new(), Change::Set(1.0)).unwrap();
    assert_eq!(help_of(&registry, "cofferdam_module_gauge_x"), format!("a: {long}"), "the control");
}

#[test]
fn a_clone_shows_the_registry_as_it_was_when_it_was_made() {
    let mut registry = Registry::new(9);
    registry.report("a", "x", &Labels::new(), Change::Set(1.0)).unwrap();
    let before = registry.clone();
    registry.report("a", "x", &Labels::new(), Change::Set(2.0)).unwrap();
    registry.report("b", "x", &Labels::new(), Change::Set(3.0)).unwrap();
    assert_eq!((before.module("a")[0].value.clone(), before.module("b").len()), (Value::Gauge(1.0), 0));
    assert_eq!(registry.module("a")[0].value, Value::Gauge(2.0), "the control");
}

#[derive(Debug, Clone)]
struct Report {
    module: String,
    name: String,
    labels: Labels,
    kind: u8,
    value: f64,
    buckets: Option<Vec<f64>>,
}

impl Report {
    fn change(&self) -> Change<'_> {
        match self.kind {
            0 => Change::Add(self.value),
            1 => Change::Set(self.value),
            _ => Change::Observe { value: self.value, buckets: self.buckets.as_deref() },
        }
    }
}

/// Few names, so that they meet; values and names of any kind, valid and not.
fn report() -> impl Strategy<Value = Report> {
    let name = prop_oneof![
        "[ab](_bucket|_sum|_count|_total)?".prop_map(String::from),
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,63}".prop_map(String::from),
        "\\PC{0,5}".prop_map(String::from),
    ];
    let label_name = prop_oneof!["[abl]e?", "module", "[a-zA-Z_][a-zA-Z0-9_]{0,20}", "\\PC{0,3}"];
    let label_value = prop_oneof![3 => "[a\\\\\"\n,={}# ]{0,6}", 1 => "(?s).{0,10}"];
    let labels = proptest::collection::btree_map(label_name, label_value, 0..3);
    let value = prop_oneof![
        (0_i32..100).prop_map(f64::from),
        any::<f64>(),
        Just(0.1),
        Just(-0.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
    ];
    let buckets = proptest::option::of(prop_oneof![
        Just(vec![1.0, 2.0]),
        proptest::collection::btree_set(0_u32..1000, 1..32)
            .prop_map(|set| set.into_iter().map(|n| f64::from(n) / 8.0).collect()),
        proptest::collection::vec(any::<f64>(), 0..3),
    ]);
    ("[ab-][ab_-]?", name, labels, 0..3_u8, value, buckets).prop_map(
        |(module, name, labels, kind, value, buckets)| Report { module, name, labels, kind, value, buckets },
    )
}

proptest! {
    #[test]
    fn whatever_modules_report_the_parser_reads_back_the_registry(
        reports in proptest::collection::vec(report(), 0..30),
    ) {
        let mut registry = Registry::new(100);
        for report in &reports {
            let before = registry.all();
            if registry.report(&report.module, &report.name, &report.labels, report.change()).is_err() {
                prop_assert_eq!(registry.all(), before, "a refused report changes nothing");
            }
        }
        prop_assert_eq!(read_back(&registry.render(&HostMetrics::new())), expected(&registry));
    }

    #[test]
    fn no_module_exports_more_lines_than_it_may(reports in proptest::collection::vec(report(), 0..40)) {
        let mut registry = Registry::new(20);
        for report in &reports {
            let _refused = registry.report("m", &report.name, &report.labels, report.change());
        }
        let text = registry.render(&HostMetrics::new());
        prop_assert!(text.lines().filter(|line| !line.starts_with('#')).count() <= 20);
    }
}

#[test]
fn modules_whose_series_are_too_long_are_left_out_and_the_others_and_the_hosts_own_are_there() {
    let mut registry = Registry::new(256);
    let long = Labels::from([("l".to_owned(), "\"".repeat(128))]);
    for module in ["fat", "fatter"] {
        (0..200).for_each(|number| {
            registry.report(module, &format!("{module}_{number}"), &long, Change::Set(1.0)).unwrap();
        });
    }
    registry.report("honest", "blocks", &Labels::new(), Change::Add(1.0)).unwrap();
    let mut host = HostMetrics::new();
    host.add(HostKind::Gauge, "cofferdam_up", "It runs.", Labels::new(), 1.0).unwrap();
    let whole = registry.render(&host);
    assert_eq!(registry.render_within(&host, whole.len()), whole, "the control: all fits");
    let left_out = "# left out, because all are too long together: fatter\n";
    let text = registry.render_within(&host, whole.len() - 1);
    assert!(text.len() < whole.len() && text.ends_with(left_out), "{text}");
    for there in ["cofferdam_up 1\n", "module_counter_blocks{module=\"honest\"} 1\n", "module=\"fat\""] {
        assert!(text.contains(there), "{there}");
    }
    assert!(registry.render_within(&host, 0).starts_with("# HELP cofferdam_up It runs.\n"));
}
