//! What modules report as metrics: whatever it is, the text for Prometheus holds it and nothing else.

use std::collections::BTreeSet;

use cofferdam_metrics::{Change, HostMetrics, Labels, Registry, Value};

/// Small, so that a fuzzer meets it.
const MAX_SERIES: usize = 40;

/// The most reports of one input.
const MAX_REPORTS: usize = 64;

/// A series of the text: its name, and its labels with `module` among them.
type Series = (String, Labels);

/// Reports, one a line, fields divided by tabs: module, kind, name, value, then names and values of labels. In the value
/// of a label `\n` stands for a line feed, since a line cannot hold one.
pub(crate) fn metrics(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut registry = Registry::new(MAX_SERIES);
    for line in text.split('\n').take(MAX_REPORTS) {
        report(&mut registry, line);
    }
    let page = registry.render(&HostMetrics::new());
    assert_eq!(read(&page), expected(&registry), "{page}");
    let used = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(used <= MAX_SERIES * registry.all().len(), "{used} series");
}

fn report(registry: &mut Registry, line: &str) {
    let mut fields = line.split('\t');
    let mut next = || fields.next().unwrap_or_default();
    // Names of modules are the host's, not the module's: one of two.
    let module = if next() == "a" { "a" } else { "b-1" };
    let (kind, name, value) = (next(), next(), next().parse::<f64>().unwrap_or(f64::NAN));
    let mut labels = Labels::new();
    while let Some(label) = fields.next() {
        labels.insert(label.to_owned(), fields.next().unwrap_or_default().replace("\\n", "\n"));
    }
    let bounds = [value.abs(), value.abs() * 2.0];
    let change = match kind {
        "g" => Change::Set(value),
        "h" => Change::Observe { value, buckets: None },
        "b" => Change::Observe { value, buckets: Some(&bounds) },
        _ => Change::Add(value),
    };
    if let Err(error) = registry.report(module, name, &labels, change) {
        assert!(error.to_string().len() < 2048, "an error is bounded");
    }
}

/// What the text must hold.
fn expected(registry: &Registry) -> BTreeSet<Series> {
    let mut expected = BTreeSet::new();
    for (module, series) in registry.all() {
        for one in series {
            let mut labels = one.labels;
            labels.insert("module".to_owned(), module.clone());
            let name = |kind: &str, part: &str| format!("cofferdam_module_{kind}_{}{part}", one.name);
            match one.value {
                Value::Counter(_) => drop(expected.insert((name("counter", ""), labels))),
                Value::Gauge(_) => drop(expected.insert((name("gauge", ""), labels))),
                Value::Histogram(histogram) => {
                    for (bound, _) in &histogram.buckets {
                        let mut labels = labels.clone();
                        let bound = if bound.is_finite() { canonical(*bound) } else { "+Inf".to_owned() };
                        labels.insert("le".to_owned(), bound);
                        expected.insert((name("histogram", "_bucket"), labels));
                    }
                    expected.insert((name("histogram", "_sum"), labels.clone()));
                    expected.insert((name("histogram", "_count"), labels));
                }
            }
        }
    }
    expected
}

/// Reads the text format 0.0.4, strictly: Prometheus' documentation of exposition formats.
fn read(page: &str) -> BTreeSet<Series> {
    let mut found = BTreeSet::new();
    let mut families = BTreeSet::new();
    let mut family = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap_or_default().to_owned();
            assert!(families.insert(family.clone()), "{family} twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert_eq!(name, family, "described before its type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        } else {
            let (name, labels) = sample(line);
            assert!(name.starts_with(&family) && !family.is_empty(), "{name} is not of {family}");
            assert!(found.insert((name, labels)), "a series twice: {line}");
        }
    }
    assert!(page.is_empty() || page.ends_with('\n'));
    found
}

/// `name{label="value",...} number`.
fn sample(line: &str) -> Series {
    let (name, mut rest) = line.split_once('{').expect("every series says whose it is");
    is_name(name, ":");
    let mut labels = Labels::new();
    loop {
        let (label, value) = rest.split_once("=\"").expect("a label and its value");
        is_name(label, "");
        let (mut value, after) = quoted(value);
        if label == "le" && value != "+Inf" {
            value = canonical(value.parse().expect("a bound is a number"));
        }
        assert_eq!(labels.insert(label.to_owned(), value), None, "label {label} twice");
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => {
                let number = after.strip_prefix("} ").expect("a value behind the labels");
                number.parse::<f64>().expect("a number");
                return (name.to_owned(), labels);
            }
        }
    }
}

/// The value up to the closing quote, and what stands behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next().expect("a closing quote") {
            '"' => return (value, letters.as_str()),
            '\\' => value.push(match letters.next() {
                Some('n') => '\n',
                Some(letter @ ('\\' | '"')) => letter,
                other => panic!("{other:?} is not escaped like this"),
            }),
            letter => value.push(letter),
        }
    }
}

fn is_name(name: &str, also: &str) {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || also.contains(letter);
    assert!(
        name.chars().all(is_allowed) && !name.starts_with(|first: char| first.is_ascii_digit()),
        "{name:?}"
    );
    assert!(!name.is_empty());
}

/// One text for each number: -0 and 0 are the same bound.
fn canonical(number: f64) -> String {
    format!("{:?}", number + 0.0)
}
