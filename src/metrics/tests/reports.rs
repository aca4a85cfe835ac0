//! What a report may be, and what it does to the registry.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on says so")]

use cofferdam_metrics::{
    Change, DEFAULT_BUCKETS, Labels, MAX_LABEL_VALUE_BYTES, MetricError, Registry, Value,
};

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn observe(value: f64) -> Change<'static> {
    Change::Observe { value, buckets: None }
}

/// The message of a report by module `m` to an empty registry, which must be refused and change nothing.
fn refusal(name: &str, labels: &Labels, change: Change<'_>) -> String {
    let mut registry = Registry::new(256);
    let error = registry.report("m", name, labels, change).unwrap_err();
    assert!(registry.all().is_empty());
    error.to_string()
}

#[test]
fn a_counter_adds_a_gauge_is_set_and_a_histogram_counts() {
    let mut registry = Registry::new(256);
    for value in [1.0, 2.5, 0.0] {
        registry.report("m", "c", &labels([]), Change::Add(value)).unwrap();
        registry.report("m", "g", &labels([]), Change::Set(-value)).unwrap();
        registry.report("m", "h", &labels([]), observe(value)).unwrap();
    }
    let series = registry.module("m");
    assert_eq!(series[0].value, Value::Counter(3.5));
    assert_eq!(series[1].value, Value::Gauge(0.0));
    let Value::Histogram(histogram) = &series[2].value else { unreachable!("h is a histogram") };
    assert_eq!((histogram.count(), histogram.sum), (3, 3.5));
    assert_eq!(histogram.buckets.len(), DEFAULT_BUCKETS.len() + 1);
    assert_eq!(histogram.buckets[0], (0.005, 1));
    assert_eq!(histogram.buckets[7], (1.0, 2));
    assert_eq!(histogram.buckets[11], (f64::INFINITY, 3));
}

#[test]
fn a_bucket_includes_its_upper_bound() {
    let mut registry = Registry::new(256);
    for value in [1.0, 2.0, 2.000_001] {
        let change = Change::Observe { value, buckets: Some(&[1.0, 2.0]) };
        registry.report("m", "h", &labels([]), change).unwrap();
    }
    let Value::Histogram(histogram) = &registry.module("m")[0].value else {
        unreachable!("h is a histogram")
    };
    assert_eq!(histogram.buckets, [(1.0, 1), (2.0, 2), (f64::INFINITY, 3)]);
}

#[test]
fn a_bad_name_is_refused_with_its_rule() {
    for (name, rule) in [
        ("", "empty"),
        ("9lives", "digit"),
        ("a-b", "letters"),
        ("a b", "letters"),
        ("a\nb 1", "letters"),
        ("é", "letters"),
        (&"n".repeat(65), "64"),
    ] {
        let message = refusal(name, &labels([]), Change::Set(1.0));
        assert!(message.contains(rule) && !message.contains('\n'), "{message}");
    }
    for name in ["a", "_", ":", "a:b_9", &"n".repeat(64)] {
        Registry::new(1).report("m", name, &labels([]), Change::Set(1.0)).unwrap();
    }
}

#[test]
fn a_bad_label_is_refused_with_its_rule() {
    for (name, value, rule) in [
        ("", "", "empty"),
        ("a:b", "", "letters"),
        ("module", "other", "reserved"),
        ("le", "1", "reserved"),
        ("quantile", "1", "reserved"),
        ("__name__", "up", "begin with __"),
        ("a", "\u{1b}[2J", "control"),
        ("a", "\r", "control"),
        ("a", &"v".repeat(MAX_LABEL_VALUE_BYTES + 1), "128"),
    ] {
        let message = refusal("x", &labels([(name, value)]), Change::Set(1.0));
        assert!(message.contains(rule), "{message}");
    }
    let nine = (0..9).map(|n| (format!("l{n}"), String::new())).collect();
    assert!(refusal("x", &nine, Change::Set(1.0)).contains("9 labels"));
    let fine = labels([("a", "\n\"\\"), ("b", &"v".repeat(MAX_LABEL_VALUE_BYTES)), ("c", "")]);
    Registry::new(1).report("m", "x", &fine, Change::Set(1.0)).unwrap();
}

#[test]
fn values_that_would_spoil_a_sum_are_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for change in [Change::Add(value), Change::Set(value), observe(value)] {
            assert!(refusal("x", &labels([]), change).contains("finite"));
        }
    }
    assert!(refusal("x", &labels([]), Change::Add(-1.0)).contains("only grows"));
    assert!(refusal("x", &labels([]), observe(-1.0)).contains("0 or more"));
}

#[test]
fn a_sum_that_would_become_infinite_stays_as_it_was() {
    let mut registry = Registry::new(256);
    for change in [Change::Add(f64::MAX), observe(f64::MAX)] {
        let name = if matches!(change, Change::Add(_)) { "c" } else { "h" };
        registry.report("m", name, &labels([]), change).unwrap();
        let before = registry.module("m");
        let error = registry.report("m", name, &labels([]), change).unwrap_err();
        assert!(error.to_string().contains("smaller unit"), "{error}");
        assert_eq!(registry.module("m"), before);
    }
}

#[test]
fn buckets_must_be_finite_and_ascend() {
    for buckets in
        [&[][..], &[1.0, 1.0], &[2.0, 1.0], &[f64::INFINITY], &[f64::NAN], &[-1.0], &[0.0, -0.0], &[1.0; 33]]
    {
        let change = Change::Observe { value: 1.0, buckets: Some(buckets) };
        assert!(refusal("h", &labels([]), change).contains("buckets are"), "{buckets:?}");
    }
}

#[test]
fn a_histogram_cannot_have_the_name_of_a_part_of_another() {
    for name in ["x_bucket", "x_sum", "x_count"] {
        assert!(refusal(name, &labels([]), observe(1.0)).contains("rename"));
        Registry::new(1).report("m", name, &labels([]), Change::Add(1.0)).unwrap();
    }
}

#[test]
fn a_metric_keeps_the_kind_the_labels_and_the_buckets_of_its_first_report() {
    let mut registry = Registry::new(256);
    registry.report("m", "x", &labels([("a", "1")]), observe(1.0)).unwrap();
    let before = registry.module("m");
    let kind = registry.report("m", "x", &labels([("a", "1")]), Change::Add(1.0)).unwrap_err();
    assert!(kind.to_string().contains("is a histogram"), "{kind}");
    let other = registry.report("m", "x", &labels([("b", "1")]), observe(1.0)).unwrap_err();
    assert!(other.to_string().contains("the labels a "), "{other}");
    let none = registry.report("m", "x", &labels([]), observe(1.0)).unwrap_err();
    assert!(matches!(none, MetricError::LabelsChanged { .. }));
    let change = Change::Observe { value: 1.0, buckets: Some(&[1.0]) };
    let buckets = registry.report("m", "x", &labels([("a", "1")]), change).unwrap_err();
    assert!(matches!(buckets, MetricError::BucketsChanged { .. }));
    assert_eq!(registry.module("m"), before);
    let same = Change::Observe { value: 1.0, buckets: Some(&DEFAULT_BUCKETS) };
    registry.report("m", "x", &labels([("a", "2")]), same).unwrap();
}

#[test]
fn a_module_has_no_more_series_than_it_may_and_others_do_not_notice() {
    let mut registry = Registry::new(16);
    registry.report("m", "h", &labels([]), observe(1.0)).unwrap();
    for value in ["1", "2"] {
        registry.report("m", "c", &labels([("a", value)]), Change::Add(1.0)).unwrap();
    }
    let error = registry.report("m", "c", &labels([("a", "3")]), Change::Add(1.0)).unwrap_err();
    assert!(error.to_string().contains("1 more series and 16 of this module's 16"), "{error}");
    registry.report("m", "c", &labels([("a", "2")]), Change::Add(1.0)).unwrap();
    registry.report("other", "c", &labels([("a", "3")]), Change::Add(1.0)).unwrap();
    assert_eq!((registry.module("m").len(), registry.module("other").len()), (3, 1));
}

#[test]
fn a_forgotten_module_has_all_its_series_to_give_again() {
    let mut registry = Registry::new(1);
    registry.report("m", "c", &labels([]), Change::Add(1.0)).unwrap();
    registry.report("n", "c", &labels([]), Change::Add(1.0)).unwrap();
    registry.forget("m");
    assert_eq!(registry.all().keys().collect::<Vec<_>>(), ["n"]);
    registry.report("m", "c", &labels([("now", "labelled")]), Change::Set(1.0)).unwrap();
}
