//! Sessions for a fuzzer that plays the modules: real ones, of a host with an embedded chain. It is there with the
//! feature `fuzzing` only. It starts no program, opens no socket that has a name, and keeps nothing between two stages.

use std::path::Path;
use std::sync::Arc;

use cofferdam_control::{CoreLimits, CoreSettings, NodeSettings, RosterEntry};
use cofferdam_manifest::{Capability, ModuleName};
use cofferdam_node::embedded::Payout;
use cofferdam_node::{Embedded, EmbeddedSettings, Node};
use cofferdam_protocol::EventType;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::api::{Host, Local};
use crate::dispatch::{MAX_LARGE_IN_ALL, MAX_RELAYED_IN_ALL};
use crate::events;
use crate::session::{MAX_LARGE_REQUESTS, Module, serve};

/// Small, so that a fuzzer meets them.
const LIMITS: CoreLimits = CoreLimits {
    calls_per_second: 1_000_000,
    call_burst: 1_000_000,
    storage_bytes: 4096,
    storage_keys: 8,
    file_bytes: 64 * 1024,
    file_count: 8,
};

/// A host, and the modules that may have sessions.
#[derive(Debug)]
pub struct Stage {
    host: Arc<Host>,
    modules: Vec<Arc<Module>>,
    feed: JoinHandle<()>,
}

/// A module's end of a session, and why the session ended.
#[derive(Debug)]
pub struct Opened {
    /// The module's end.
    pub stream: UnixStream,
    /// The reason, once it has ended.
    pub ended: JoinHandle<String>,
}

impl Stage {
    /// A host whose files are below `dir`, for modules of these names. Each may call and publish everything there is.
    ///
    /// # Errors
    /// A name is none, or the chain's file cannot be made: the text says which.
    pub async fn open(dir: &Path, names: &[&str]) -> Result<Self, String> {
        let roster =
            names.iter().map(|name| entry(dir, name)).collect::<Result<Vec<RosterEntry>, String>>()?;
        let settings =
            EmbeddedSettings { dir: dir.join("chain"), block_interval: None, payout: Payout::default() };
        let node = Embedded::open(settings).await.map_err(|error| error.to_string())?;
        let node = Node::Embedded(node);
        let settings = CoreSettings { interface: None, lightning: None, redact_peers: true, watched: None };
        let local = Local::new(dir, &roster, &settings, &NodeSettings::Embedded { block_interval_ms: 0 });
        let (hub, feed) = events::open(&node, dir).await;
        let host = Arc::new(Host::with_local(node, hub, local));
        let modules: Vec<_> = roster.iter().map(|entry| Arc::new(module(entry))).collect();
        modules.iter().for_each(|module| host.modules().install(module));
        Ok(Self { host, modules, feed: tokio::spawn(feed.run()) })
    }

    /// Opens a session of the module with this number, which has said nothing yet; nothing if there is none.
    ///
    /// # Errors
    /// The kernel gives no sockets.
    pub fn connect(&self, number: usize) -> std::io::Result<Option<Opened>> {
        let Some(module) = self.modules.get(number).map(Arc::clone) else { return Ok(None) };
        let (stream, other) = UnixStream::pair()?;
        let host = Arc::clone(&self.host);
        let ended = tokio::spawn(async move { serve(other, module, host, || {}).await.to_string() });
        Ok(Some(Opened { stream, ended }))
    }

    /// What sessions hold of what all of them share, and of which nothing is held when none is open.
    #[must_use]
    pub fn held(&self) -> Vec<(&'static str, usize)> {
        let held = |name, in_all: usize, places: &tokio::sync::Semaphore| {
            (name, in_all.saturating_sub(places.available_permits()))
        };
        let waiting = self.host.modules().census().into_iter().map(|(_, _, outstanding)| outstanding).sum();
        let places = [
            held("large requests", MAX_LARGE_REQUESTS, self.host.large_requests()),
            held("large replies", MAX_LARGE_IN_ALL, self.host.large_replies()),
            held("calls between modules", MAX_RELAYED_IN_ALL, self.host.relayed_calls()),
            ("invocations", waiting),
        ];
        places.into_iter().filter(|(_, held)| *held > 0).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

fn entry(dir: &Path, name: &str) -> Result<RosterEntry, String> {
    let name: ModuleName = name.parse().map_err(|error| format!("{name}: {error}"))?;
    let files = dir.join("files").join(name.as_str());
    std::fs::create_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
    Ok(RosterEntry {
        name,
        version: "1.0.0".to_owned(),
        granted: Capability::ALL.to_vec(),
        requires: Vec::new(),
        publishes: Vec::new(),
        files: Some(files),
        limits: LIMITS,
    })
}

fn module(entry: &RosterEntry) -> Module {
    Module {
        name: entry.name.clone(),
        version: entry.version.clone(),
        granted: entry.granted.iter().copied().collect(),
        publishes: EventType::ALL.to_vec(),
        files: entry.files.clone(),
        limits: entry.limits,
    }
}
