//! `cofferdam events`: every event type, and where its events come from with the node and the modules of a config, or
//! why none will come. It never asks a node or a module: what it says follows from the config, the manifests and the
//! operator's grants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use cofferdam_config::Backend;
use cofferdam_host::{Origins, event_matrix};
use cofferdam_installation::Installation;
use cofferdam_policy::Tables;
use cofferdam_policy::profile::Linkage;
use cofferdam_protocol::{Availability, EventAvailability, EventOrigin, EventType};
use serde_json::{Value, json};

use crate::admission::Standing;
use crate::answer::Answer;

/// The config, where none is named.
const CONFIG: &str = "cofferdam.toml";

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// The config [default: cofferdam.toml; without one, a development chain without modules]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The modules that are granted to publish a type, by its name.
type Publishers = BTreeMap<String, Vec<String>>;

/// Who publishes, and who would if it started.
#[derive(Default)]
struct Modules {
    publishers: Publishers,
    /// Why modules that ask to publish do not start, one sentence each.
    absent: Vec<String>,
}

pub(crate) fn events(asked: &Asked) -> anyhow::Result<Answer> {
    let here = Path::new(CONFIG);
    let config = asked.config.as_deref().or_else(|| here.is_file().then_some(here));
    let (backend, modules) = match config {
        Some(config) => {
            let installation = Installation::read(config)?;
            let modules = modules(&installation);
            (installation.config.node, modules)
        }
        None => (Backend::default(), Modules::default()),
    };
    let by = |event: EventType| modules.publishers.get(event.as_str()).cloned().unwrap_or_default();
    let matrix = event_matrix(origins(&backend), by);
    Ok(Answer::good(if asked.json { in_json(&matrix) } else { in_text(&backend, &matrix, &modules.absent) }))
}

fn origins(backend: &Backend) -> Origins {
    match backend {
        Backend::Embedded(_) => Origins::Embedded,
        Backend::Bitcoind(node) if node.zmq.is_some() => Origins::Notified,
        Backend::Bitcoind(node) => Origins::Polled { interval: node.poll_interval },
    }
}

fn modules(installation: &Installation) -> Modules {
    let (tables, mut modules) = (Tables::builtin(), Modules::default());
    for (name, installed) in &installation.modules {
        let profile = installation.profile(installed, Linkage::Static, &tables);
        if profile.publishes.is_empty() {
            continue;
        }
        if let Some(why) = Standing::of(installed, installation).does_not_start() {
            modules.absent.push(format!("{name} publishes nothing, as it does not start: {why}"));
            continue;
        }
        for event in &profile.publishes {
            modules.publishers.entry(event.as_str().to_owned()).or_default().push(name.to_string());
        }
    }
    modules
}

fn in_json(matrix: &[EventAvailability]) -> String {
    let row = |row: &EventAvailability| {
        let event = row.event_type;
        let mut told = json!({
            "tag": event.tag(),
            "name": event.as_str(),
            "made_by": maker(event.origin()),
            "source": word(&row.availability),
            "doc": event.doc(),
        });
        if let (Some(told), Some((key, value))) = (told.as_object_mut(), detail(&row.availability)) {
            told.insert(key.to_owned(), value);
        }
        told
    };
    format!("{:#}\n", Value::Array(matrix.iter().map(row).collect()))
}

fn in_text(backend: &Backend, matrix: &[EventAvailability], absent: &[String]) -> String {
    let node = match backend {
        Backend::Embedded(_) => "the development chain, which is not Bitcoin".to_owned(),
        Backend::Bitcoind(node) => {
            let how = if node.zmq.is_some() { "which tells of changes over ZMQ" } else { "which is polled" };
            format!("bitcoind at {}, {how}", node.rpc)
        }
    };
    let mut text = format!("Where events come from; node: {node}\n\n");
    for row in matrix {
        let (event, source) = (row.event_type, in_words(&row.availability));
        text.push_str(&format!(
            "{:>4}  {:<31}{source}\n{:>6}{}\n",
            event.tag(),
            event.as_str(),
            "",
            event.doc()
        ));
    }
    for why in absent {
        text.push_str(&format!("\nnote: {why}\n"));
    }
    text
}

fn maker(origin: EventOrigin) -> &'static str {
    match origin {
        EventOrigin::Core => "core",
        EventOrigin::Module => "module",
    }
}

/// The kind of a source, as programs read it.
fn word(availability: &Availability) -> &'static str {
    match availability {
        Availability::Live => "live",
        Availability::Sampled { .. } => "sampled",
        Availability::Derived => "derived",
        Availability::Published { .. } => "published",
        Availability::Unavailable { .. } => "unavailable",
        _ => "unknown",
    }
}

/// What else is said of a source.
fn detail(availability: &Availability) -> Option<(&'static str, Value)> {
    match availability {
        Availability::Sampled { interval_ms } => Some(("interval_ms", json!(interval_ms))),
        Availability::Published { by } => Some(("by", json!(by.as_slice()))),
        Availability::Unavailable { reason } => Some(("reason", json!(reason))),
        Availability::Live | Availability::Derived | _ => None,
    }
}

fn in_words(availability: &Availability) -> String {
    match availability {
        Availability::Sampled { interval_ms } => format!("sampled every {interval_ms} ms"),
        Availability::Published { by } => format!("published by {}", by.as_slice().join(", ")),
        Availability::Unavailable { reason } => format!("unavailable: {reason}"),
        Availability::Live | Availability::Derived | _ => word(availability).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NODE: &str = "[node]\nbackend = \"bitcoind\"\n[node.bitcoind]\nrpc = \"127.0.0.1:8332\"\n\
                        cookie_file = \"/c\"\nchain = \"main\"\npoll_interval_ms = 2000\n";

    const MODULE: &str = "name = \"payer\"\nversion = \"1.0.0\"\nentry_point = \"payer\"\n\
                          capabilities = [\"publish_events\"]\npublish_events = [\"PaymentSettled\"]\n";

    /// What `cofferdam events` says of a folder with this config and one module.
    fn told(config: &str, json: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cofferdam.toml");
        fs::write(&path, format!("{config}[signatures]\nunsigned = [\"payer\"]\n")).unwrap();
        let module = folder.path().join("modules/payer");
        fs::create_dir_all(&module).unwrap();
        fs::write(module.join("module.toml"), MODULE).unwrap();
        fs::write(module.join("payer"), "").unwrap();
        let hash = cofferdam_signature::Hash::of;
        let lock = format!(
            "format = 1\n[modules.payer]\nversion = \"1.0.0\"\nmanifest_sha256 = \"{}\"\nprogram_sha256 = \"{}\"\n\
             capabilities = [\"publish_events\"]\npublish_events = [\"PaymentSettled\"]\n",
            hash(MODULE.as_bytes()),
            hash(b"")
        );
        fs::write(folder.path().join("grants.lock"), lock).unwrap();
        events(&Asked { config: Some(path), json }).unwrap().text
    }

    /// Name, source and the other words of every row.
    fn sources(config: &str) -> BTreeMap<String, (String, Value)> {
        let rows: Vec<Value> = serde_json::from_str(&told(config, true)).unwrap();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        rows.iter().map(|row| (text(row, "name"), (text(row, "source"), row.clone()))).collect()
    }

    #[test]
    fn every_type_has_a_row_with_its_source() {
        for config in ["", NODE] {
            let sources = sources(config);
            assert_eq!(sources.len(), EventType::ALL.len());
            assert!(sources.values().all(|(source, _)| source != "unknown"), "{sources:?}");
            let text = told(config, false);
            assert!(EventType::ALL.iter().all(|event| text.contains(event.as_str())), "{text}");
        }
    }

    #[test]
    fn sources_follow_from_the_node_of_the_config() {
        let source = |config: &str, name: &str| sources(config)[name].clone();
        assert_eq!(source("", "NewBlock").0, "live");
        let (polled, row) = source(NODE, "NewBlock");
        assert_eq!((polled.as_str(), &row["interval_ms"]), ("sampled", &json!(2000)));
        let notified = NODE.replace("poll_interval_ms = 2000", "zmq = \"tcp://127.0.0.1:28332\"");
        assert_eq!(source(&notified, "NewBlock").0, "live");
        let (missing, row) = source("", "PeerConnected");
        assert_eq!(
            (missing.as_str(), &row["reason"]),
            ("unavailable", &json!("a development chain has no peers"))
        );
    }

    #[test]
    fn publishers_are_those_that_the_operator_grants_it_to() {
        let (source, row) = sources("")["PaymentSettled"].clone();
        assert_eq!((source.as_str(), &row["by"]), ("published", &json!(["payer"])));
        assert!(told("", false).contains("published by payer"));
        let withheld = "[modules.grants]\npayer = []\n";
        assert_eq!(sources(withheld)["PaymentSettled"].0, "unavailable");
        assert_eq!(sources("")["PaymentFailed"].0, "unavailable");
    }

    #[test]
    fn a_module_that_does_not_start_publishes_nothing_and_the_reason_is_told() {
        let unsigned = "grants_file = \"other.lock\"\n";
        assert_eq!(sources(unsigned)["PaymentSettled"].0, "unavailable");
        let told = told(unsigned, false);
        assert!(
            told.contains("note: payer publishes nothing, as it does not start: payer is not granted"),
            "{told}"
        );
    }
}
