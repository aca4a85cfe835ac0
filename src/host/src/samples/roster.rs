//! Which modules are new, changed or gone since the last run of the core, by what that wrote down. The file is
//! written anew after the events, so that a core that dies in between tells them again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use cofferdam_control::RosterEntry;
use cofferdam_protocol::EventPayload;

use crate::events::Hub;

/// The file, below the core's state directory.
const FILE: &str = "roster.json";
/// The file while it is made anew.
const UNFINISHED: &str = "roster.json.new";
/// The largest file that is read: the longest names and versions of all modules take far less.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Versions by name.
type Versions = BTreeMap<String, String>;

/// Tells that the configuration was read, and what has changed about the modules since the last run.
pub(crate) async fn announce_roster(hub: &Hub, state_dir: &Path, roster: &[RosterEntry]) {
    let now: Versions = roster.iter().map(|entry| (entry.name.to_string(), entry.version.clone())).collect();
    hub.publish(EventPayload::ConfigLoaded { modules: u32::try_from(now.len()).unwrap_or(u32::MAX) });
    let read_from = state_dir.to_owned();
    let before = tokio::task::spawn_blocking(move || read(&read_from)).await;
    match before
        .map_err(|error| error.to_string())
        .and_then(|before| before.map_err(|error| error.to_string()))
    {
        Ok(before) => changes(&before, &now).into_iter().for_each(|event| {
            hub.publish(event);
        }),
        Err(problem) => tracing::warn!(
            "which modules are new is not known: <state_dir>/core/{FILE} cannot be read: {problem}"
        ),
    }
    let write_to = state_dir.to_owned();
    let written = tokio::task::spawn_blocking(move || write(&write_to, &now)).await;
    match written
        .map_err(|error| error.to_string())
        .and_then(|written| written.map_err(|error| error.to_string()))
    {
        Ok(()) => {}
        Err(problem) => tracing::warn!("<state_dir>/core/{FILE} cannot be written: {problem}"),
    }
}

/// What the last run wrote; nothing if there was none.
fn read(state_dir: &Path) -> io::Result<Versions> {
    let file = match File::open(state_dir.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Versions::new()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn write(state_dir: &Path, versions: &Versions) -> io::Result<()> {
    let unfinished = state_dir.join(UNFINISHED);
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec(versions)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, state_dir.join(FILE))?;
    File::open(state_dir)?.sync_all()
}

fn changes(before: &Versions, now: &Versions) -> Vec<EventPayload> {
    let removed = before.keys().filter(|name| !now.contains_key(*name));
    let removed = removed.map(|name| EventPayload::ModuleRemoved { name: name.clone() });
    let came = now.iter().flat_map(|(name, version)| match before.get(name) {
        None => vec![
            EventPayload::ModuleDiscovered { name: name.clone(), version: version.clone() },
            EventPayload::ModuleInstalled { name: name.clone(), version: version.clone() },
        ],
        Some(old_version) if old_version != version => vec![EventPayload::ModuleUpdated {
            name: name.clone(),
            old_version: old_version.clone(),
            new_version: version.clone(),
        }],
        Some(_) => Vec::new(),
    });
    removed.chain(came).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(modules: &[(&str, &str)]) -> Versions {
        modules.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn new_changed_and_removed_modules_are_told_and_the_others_are_not() {
        let before = versions(&[("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.0")]);
        let now = versions(&[("a", "1.0.0"), ("b", "1.1.0"), ("d", "2.0.0")]);
        let told = changes(&before, &now);
        let names: Vec<_> = told.iter().map(|event| event.event_type().as_str()).collect();
        assert_eq!(names, ["ModuleRemoved", "ModuleUpdated", "ModuleDiscovered", "ModuleInstalled"]);
        assert_eq!(changes(&now, &now), []);
    }

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), Versions::new());
        let modules = versions(&[("a", "1.0.0")]);
        write(dir.path(), &modules).unwrap();
        assert_eq!(read(dir.path()).unwrap(), modules);
        fs::write(dir.path().join(FILE), "{\"a\":").unwrap();
        assert!(read(dir.path()).is_err());
    }
}
