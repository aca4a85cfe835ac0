//! Claims about whole manifests, and about every text there is.

use crate::*;
use proptest::prelude::*;
use std::fmt::Write;

/// The example of the specification, without its comments.
const EXAMPLE: &str = r#"name = "my-module"
version = "1.0.0"
entry_point = "my-module"
description = "Description of what this module does"
author = "Your Name <your.email@example.com>"
capabilities = [
    "read_blockchain",    # Query blockchain data
    "subscribe_events",   # Receive node events
]

[dependencies]
"blvm-lightning" = ">=1.0.0"

[optional_dependencies]
"blvm-mesh" = ">=0.5.0"

[config_schema]
poll_interval = "Polling interval in seconds (default: 5)"
"#;

const REQUIRED: &str = "name = 'm'\nversion = '1.0.0'\nentry_point = 'm'\n";

fn message(text: &str) -> String {
    Manifest::parse("module.toml", text).expect_err("the manifest is wrong").to_string()
}

/// The message for a manifest whose fourth and later lines are these.
fn message_after_required(lines: &str) -> String {
    message(&format!("{REQUIRED}{lines}"))
}

#[test]
fn the_example_of_the_specification_is_read() {
    let manifest = Manifest::parse("module.toml", EXAMPLE).expect("the specification's own example");
    assert_eq!(manifest.name().as_str(), "my-module");
    assert_eq!(manifest.version().to_string(), "1.0.0");
    assert_eq!(manifest.entry_point().as_str(), "my-module");
    assert_eq!(manifest.description(), Some("Description of what this module does"));
    assert_eq!(manifest.author(), Some("Your Name <your.email@example.com>"));
    assert!(manifest.capabilities().iter().eq([Capability::ReadBlockchain, Capability::SubscribeEvents]));
    assert_eq!(manifest.dependencies()["blvm-lightning"].to_string(), ">=1.0.0");
    assert_eq!(manifest.optional_dependencies()["blvm-mesh"].to_string(), ">=0.5.0");
    let (key, line) = manifest.config_schema().first_key_value().expect("one setting");
    assert_eq!((key.as_str(), line.as_str()), ("poll_interval", "Polling interval in seconds (default: 5)"));
}

#[test]
fn a_manifest_needs_a_name_a_version_and_an_entry_point_and_no_more() {
    assert!(Manifest::parse("module.toml", REQUIRED).is_ok());
    for missing in ["name", "version", "entry_point"] {
        let text: String = REQUIRED
            .lines()
            .filter(|line| !line.starts_with(missing))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(
            message(&text),
            format!(
                "module.toml:1:1: the key `{missing}` is missing; add `{missing} = ...` above the first [table]"
            )
        );
    }
}

#[test]
fn each_wrong_value_is_reported_where_it_stands() {
    let wrong = [
        ("my-module\"\nversion", "my/module\"\nversion", "1:8: `name`: `my/module` is not a module's name"),
        ("version = \"1.0.0\"", "version = \"1.0\"", "2:11: `version`: `1.0` is not a semantic version"),
        ("entry_point = \"my", "entry_point = \"../my", "3:15: `entry_point`: `../my-module` cannot be"),
        (
            "\"read_blockchain\"",
            "\"read_blokchain\"",
            "7:5: `capabilities`: `read_blokchain` is not a capability",
        ),
        (
            "\"subscribe_events\"",
            "\"read_blockchain\"",
            "8:5: `capabilities`: `read_blockchain` is listed twice",
        ),
        (">=1.0.0", "1.0.0", "12:20: `dependencies.blvm-lightning`: `1.0.0` is not a version constraint"),
        ("blvm-lightning", "my-module", "12:1: `dependencies.my-module`: the module depends on itself"),
        ("blvm-mesh", "my-module", "15:1: `optional_dependencies.my-module`: the module depends on itself"),
        (
            "blvm-mesh",
            "blvm-lightning",
            "15:1: `optional_dependencies.blvm-lightning`: the module is listed in",
        ),
        (
            "blvm-mesh",
            "blvm.mesh",
            "15:1: `optional_dependencies.blvm.mesh`: `blvm.mesh` is not a module's name",
        ),
        ("poll_interval", "poll-interval", "18:1: `config_schema.poll-interval`: `poll-interval` cannot be"),
    ];
    for (right, wrong, problem) in wrong {
        let message = message(&EXAMPLE.replacen(right, wrong, 1));
        assert!(message.starts_with(&format!("module.toml:{problem}")), "{message}");
    }
}

#[test]
fn a_bare_version_is_answered_with_the_five_operators() {
    assert_eq!(
        message_after_required("dependencies = { a = '1.0.0' }"),
        "module.toml:4:22: `dependencies.a`: `1.0.0` is not a version constraint; write one of >= <= = ^ ~ before \
         a full version, like >=1.2.3 or ^1.2.3"
    );
}

#[test]
fn a_misspelt_key_gets_the_key_that_was_meant() {
    for (wrong, meant) in [
        ("capabilites", "capabilities"),
        ("optional-dependencies", "optional_dependencies"),
        ("dependancies", "dependencies"),
        ("Description", "description"),
        ("config", "config_schema"),
    ] {
        assert_eq!(
            message_after_required(&format!("{wrong} = []")),
            format!("module.toml:4:1: unknown key `{wrong}`; did you mean `{meant}`?")
        );
    }
}

#[test]
fn two_settings_with_one_variable_are_reported_at_the_second() {
    assert_eq!(
        message_after_required("[config_schema]\npoll = ''\nPoll = ''"),
        "module.toml:6:1: `config_schema.Poll`: `poll` gives the variable MODULE_CONFIG_POLL too; \
         rename one of the two"
    );
}

#[test]
fn a_description_over_several_lines_becomes_one() {
    let text = format!("{REQUIRED}description = '''\none\n  two\n'''");
    let manifest = Manifest::parse("module.toml", &text).expect("valid");
    assert_eq!(manifest.description(), Some("one two"));
}

#[test]
fn a_description_cannot_hide_or_forge_a_part_of_the_auditors_page() {
    for text in ["\\u001b[2J", "\\u202e", "\\u0000", "\\u2066"] {
        let message = message_after_required(&format!("description = \"{text}\""));
        assert!(message.starts_with("module.toml:4:15: `description`: the text holds `"), "{message}");
    }
}

#[test]
fn tables_and_lines_are_bounded() {
    let many = |key: fn(usize) -> String, count| (0..count).map(key).collect::<Vec<_>>().join("\n");
    let dependencies = many(|number| format!("d{number} = '=1.0.0'"), 65);
    assert!(
        message_after_required(&format!("[dependencies]\n{dependencies}"))
            .contains("65 keys, the limit is 64")
    );
    let settings = many(|number| format!("s{number} = ''"), 129);
    assert!(
        message_after_required(&format!("[config_schema]\n{settings}"))
            .contains("129 keys, the limit is 128")
    );
    let author = format!("author = '{}'", "a".repeat(1025));
    assert!(message_after_required(&author).contains("1025 bytes, the limit is 1024"));
}

/// A valid manifest's values, to be written down and read back.
#[derive(Debug)]
struct Sample {
    name: String,
    version: String,
    entry_point: String,
    description: Option<String>,
    capabilities: Vec<Capability>,
    dependencies: Vec<(String, String)>,
    optional_dependencies: Vec<(String, String)>,
    settings: Vec<(String, String)>,
}

impl Sample {
    fn text(&self) -> String {
        let mut text = format!(
            "name = '{}'\nversion = '{}'\nentry_point = '{}'\n",
            self.name, self.version, self.entry_point
        );
        if let Some(description) = &self.description {
            writeln!(text, "description = '{description}'").expect("a String takes every write");
        }
        let names: Vec<String> =
            self.capabilities.iter().map(|capability| format!("'{capability}'")).collect();
        writeln!(text, "capabilities = [{}]", names.join(", ")).expect("a String takes every write");
        for (table, rows) in [
            ("dependencies", &self.dependencies),
            ("optional_dependencies", &self.optional_dependencies),
            ("config_schema", &self.settings),
        ] {
            let rows: String = rows.iter().map(|(key, value)| format!("'{key}' = '{value}'\n")).collect();
            write!(text, "[{table}]\n{rows}").expect("a String takes every write");
        }
        text
    }
}

fn rows(key: &'static str, value: &'static str) -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map(key, value, 0..5).prop_map(|rows| rows.into_iter().collect())
}

/// Names begin with another letter in each place, so that none is there twice.
fn samples() -> impl Strategy<Value = Sample> {
    let constraint = "(>=|<=|=|\\^|~)[0-9]{1,3}\\.[0-9]\\.[0-9](-rc\\.[1-9])?"
        .prop_filter("no zero in front", |text| VersionConstraint::new(text).is_ok());
    let dependencies = prop::collection::btree_map("d[a-zA-Z0-9_-]{0,63}", constraint, 0..5)
        .prop_map(|rows| rows.into_iter().collect());
    (
        ("m[a-zA-Z0-9_-]{0,63}", "(0|[1-9][0-9]{0,3})\\.[0-9]\\.[0-9](-rc\\.[1-9])?(\\+[a-f]{4})?"),
        "([a-z0-9_-]{1,9}/){0,3}[a-z0-9_-]{1,9}",
        prop::option::of(
            "[a-z]([ -&(-~]{0,40}[a-z])?"
                .prop_map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")),
        ),
        prop::sample::subsequence(Capability::ALL, 0..=Capability::ALL.len()),
        dependencies,
        rows("o[a-z0-9_-]{0,63}", "[~^=]1\\.[0-9]\\.0"),
        rows("[a-z][a-z0-9_]{0,63}", "[a-z]{0,20}"),
    )
        .prop_map(
            |((name, version), entry_point, description, capabilities, dependencies, optional, settings)| {
                Sample {
                    name,
                    version,
                    entry_point,
                    description,
                    capabilities,
                    dependencies,
                    optional_dependencies: optional,
                    settings,
                }
            },
        )
}

fn is_one_safe_line(message: &str) -> bool {
    message.starts_with("module.toml:") && !message.chars().any(char::is_control) && message.len() < 12_000
}

fn as_text<K: ToString, V: ToString>(map: &std::collections::BTreeMap<K, V>) -> Vec<(String, String)> {
    map.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

proptest! {
    #[test]
    fn a_valid_manifest_is_read_as_it_was_written(sample in samples()) {
        let manifest = Manifest::parse("module.toml", &sample.text()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(manifest.name().as_str(), &sample.name);
        prop_assert_eq!(manifest.version().to_string(), sample.version);
        prop_assert_eq!(manifest.entry_point().as_str(), &sample.entry_point);
        prop_assert_eq!(manifest.description(), sample.description.as_deref());
        prop_assert!(manifest.capabilities().iter().eq(sample.capabilities));
        prop_assert_eq!(as_text(manifest.dependencies()), sample.dependencies);
        prop_assert_eq!(as_text(manifest.optional_dependencies()), sample.optional_dependencies);
        prop_assert_eq!(as_text(manifest.config_schema()), sample.settings);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_on_one_safe_line(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Err(error) = Manifest::parse("module.toml", &String::from_utf8_lossy(&bytes)) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }

    #[test]
    fn a_mutated_manifest_is_parsed_or_refused_on_one_safe_line(
        place in 0..EXAMPLE.len(), removed in 0..20_usize, inserted in "([ -~]|\n|\u{1b}|\u{202e}|é){0,6}"
    ) {
        let end = (place + removed).min(EXAMPLE.len());
        let text = format!("{}{inserted}{}", &EXAMPLE[..place], &EXAMPLE[end..]);
        if let Err(error) = Manifest::parse("module.toml", &text) {
            prop_assert!(is_one_safe_line(&error.to_string()), "{error}");
        }
    }
}

#[test]
fn event_types_to_publish_need_their_capability_and_are_listed_once() {
    let manifest = |capabilities: &str, events: &str| {
        let head = "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\n";
        Manifest::parse("m", &format!("{head}capabilities = [{capabilities}]\npublish_events = [{events}]\n"))
    };
    let granted = manifest("\"publish_events\"", "\"PaymentSettled\", \"PaymentFailed\"").unwrap();
    let names: Vec<&str> = granted.publish_events().iter().map(EventName::as_str).collect();
    assert_eq!(names, ["PaymentFailed", "PaymentSettled"]);
    assert!(manifest("\"publish_events\"", "").unwrap().publish_events().is_empty());
    for (capabilities, events, told) in [
        ("", "\"PaymentSettled\"", "add \"publish_events\" to capabilities"),
        ("\"publish_events\"", "\"A\", \"A\"", "is listed twice"),
        ("\"publish_events\"", "\"payment\"", "is not the name of an event type"),
    ] {
        let error = manifest(capabilities, events).unwrap_err().to_string();
        assert!(error.contains("m:5:") && error.contains(told), "{error}");
    }
}

#[test]
fn a_module_cannot_take_the_name_of_a_part_of_cofferdam() {
    let named = |name: &str| {
        Manifest::parse("m", &format!("name = \"{name}\"\nversion = \"1.0.0\"\nentry_point = \"m\"\n"))
    };
    for name in ["core", "Core", "host", "LAUNCHER"] {
        let error = named(name).unwrap_err().to_string();
        assert!(error.contains("m:1:8") && error.contains("another name"), "{error}");
    }
    assert!(named("core-lightning").is_ok());
}
