//! A host for the tests of a module: in the same process, without root, sandbox or node.
//!
//! [`TestHost`] speaks the real protocol on a real socket, checks the capabilities of the manifest as the real host
//! does, and keeps a scripted chain, storage and files in memory. It confines nothing, checks no block's rules, and
//! never invents an answer: what no test scripted is an error that says which line to add.
//!
//! ```
//! use cofferdam_sdk::testing::{Capability, TestHost};
//! use cofferdam_sdk::{EventPayload, EventType, ModuleMessage, calls};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = TestHost::granting([Capability::SubscribeEvents, Capability::ReadMempool]);
//! host.answer::<calls::CheckTransactionInMempool>(|call| Ok(call.txid.to_bytes() == [7; 32]));
//!
//! let mut module = host.connect().await;
//! module.subscribe_events(vec![EventType::NewBlock]).await?;
//! let block = host.mine([]);
//! let Some(ModuleMessage::Event(event)) = module.event_receiver().recv().await else { panic!("no event") };
//! let EventPayload::NewBlock { hash, height, .. } = event.payload else { panic!("another event") };
//! assert_eq!((hash, height), (block.block_hash().into(), 1));
//!
//! // What the manifest does not ask for is refused here too.
//! let refused = module.node_api().get_block(hash).await.unwrap_err();
//! assert!(refused.to_string().contains("needs the capability read_blockchain"));
//! # Ok(())
//! # }
//! ```

#![allow(clippy::panic, clippy::expect_used, reason = "a test that cannot go on says so, and where")]

mod builtin;
mod chain;
mod files;
mod invoke;
mod offers;
mod scripts;
mod session;
mod state;
mod storage;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cofferdam_manifest::Manifest;
use cofferdam_protocol::metrics::{Sample, SampleValue};
use cofferdam_protocol::{ApiError, Call, EventPayload, EventType, LogLevel, ModuleFault};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::connection::Handle;
use crate::integration::{ModuleIntegration, hello};
use crate::storage::StorageUsage;
use scripts::Scripts;
use state::State;

pub use chain::transaction;
pub use cofferdam_manifest::Capability;

/// How long a test waits for what its module should do. It is only met by a module that does not do it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name of a module that has no manifest.
const NAMELESS: &str = "module-under-test";

/// A host that does what a test tells it. Clones are the same host.
///
/// All methods that wait need a tokio runtime with I/O and time; those that begin to listen too. They panic, with
/// what they waited for and what was there, if the module does not do its part within 20 seconds.
#[derive(Clone)]
pub struct TestHost {
    shared: Arc<Shared>,
}

/// What the host, its clones and its sessions share.
struct Shared {
    state: Mutex<State>,
    scripts: Mutex<Scripts>,
    /// Something in the state is not what it was.
    changed: Notify,
    directory: tempfile::TempDir,
    listening: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// A line that the module logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub message: String,
}

/// An event that the module published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its type.
    pub event_type: EventType,
    /// What it carries.
    pub data: Bytes,
}

impl TestHost {
    /// A host for the module of this `module.toml`: it grants what the manifest asks for and nothing else, and
    /// knows the module by the manifest's name and version. A path that is not absolute begins where the test
    /// runs, which for `cargo test` is the folder of the module's `Cargo.toml`.
    ///
    /// # Panics
    /// If the manifest cannot be read or is not valid, with what is wrong.
    #[must_use]
    #[track_caller]
    pub fn from_manifest(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|error| panic!("read the manifest {}: {error}", path.display()));
        let manifest =
            Manifest::parse(&path.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"));
        let publishes = manifest.publish_events().iter().map(|name| {
            let event: EventType = name
                .as_str()
                .parse()
                .unwrap_or_else(|_| panic!("publish_events: there is no event type {name}"));
            event
        });
        let mut state = State::new(manifest.name().as_str(), manifest.capabilities().iter());
        state.version = Some(manifest.version().to_string());
        state.publishes = publishes.collect();
        Self::with(state)
    }

    /// A host that grants these capabilities to whatever module connects. For a module that publishes events,
    /// use [`TestHost::from_manifest`].
    #[must_use]
    pub fn granting(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self::with(State::new(NAMELESS, capabilities))
    }

    fn with(state: State) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the socket of the test's host");
        let shared = Shared {
            state: Mutex::new(state),
            scripts: Mutex::default(),
            changed: Notify::new(),
            directory,
            listening: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Connects the module's side, in this process: what [`ModuleIntegration::connect`] gives in the sandbox.
    /// Storage, files and what was scripted stay from one connection to the next, as over a restart.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    pub async fn connect(&self) -> ModuleIntegration {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        tokio::spawn(session::serve(Arc::clone(&self.shared), theirs));
        let (name, version) = self.state().identity();
        let handle = Handle::open(ours, hello(name.clone(), name, version)).await;
        ModuleIntegration::of(handle.expect("the test's host welcomes the module"))
    }

    /// Where the host listens, from now on, for a module that is a program of its own.
    ///
    /// # Panics
    /// If there is no tokio runtime, or no socket can be made.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        let path = self.shared.directory.path().join("host.sock");
        let mut listening = self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.is_none() {
            let listener = UnixListener::bind(&path).expect("a socket for the test's host");
            *listening = Some(tokio::spawn(session::listen(Arc::downgrade(&self.shared), listener)));
        }
        path
    }

    /// A directory of this test, as the module's data directory; deleted with the host. Without `write_filesystem` nobody
    /// may write in it, as in the sandbox; here root can all the same.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        let path = self.shared.directory.path().join("data");
        let mode = if self.state().granted.contains(Capability::WriteFilesystem) { 0o700 } else { 0o500 };
        DirBuilder::new().recursive(true).mode(mode).create(&path).expect("a data directory");
        path
    }

    /// The module's program with the arguments that Cofferdam gives it: `env!("CARGO_BIN_EXE_my-module")` names
    /// it. Settings are added as variables: `.env("MODULE_CONFIG_KEEP", "7")`.
    ///
    /// # Panics
    /// As [`TestHost::socket_path`].
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> std::process::Command {
        let mut command = std::process::Command::new(program.as_ref());
        command.env_clear().arg("--module-id").arg(self.state().identity().0);
        command.arg("--socket-path").arg(self.socket_path()).arg("--data-dir").arg(self.data_dir());
        command
    }

    /// Answers a call, from now on, with what `answer` gives, in place of what the host would say. Capabilities
    /// are checked before.
    pub fn answer<C: Call + 'static>(
        &self,
        answer: impl FnMut(C) -> Result<C::Reply, ApiError> + Send + 'static,
    ) {
        self.scripts().answer(answer);
    }

    /// Answers what the module asks of another module by `call_module`, from now on. The other module counts as
    /// installed and running.
    pub fn on_module(
        &self,
        name: &str,
        answer: impl FnMut(&str, Bytes) -> Result<Bytes, ModuleFault> + Send + 'static,
    ) {
        self.state().modules.insert(name.to_owned());
        self.scripts().on_module(name, answer);
    }

    /// Sends an event to the module if it has subscribed to its type, and keeps it for a module that resumes.
    /// Gives its cursor.
    pub fn publish(&self, event: EventPayload) -> u64 {
        self.change(|state| state.publish(event))
    }

    /// Forgets the events there were: a module that resumes from an earlier one is told that some are lost.
    pub fn forget_events(&self) {
        self.change(State::forget_events);
    }

    /// Tells every module that the node shuts down, as the real host does before it ends them.
    pub fn shut_down(&self) {
        self.publish(EventPayload::NodeShutdown { grace_ms: 1000 });
    }

    /// Tells the module that the node shuts down, and waits until its program has ended.
    ///
    /// # Panics
    /// If it has not ended after 20 seconds; it is killed then.
    pub async fn end(&self, mut program: Child) -> ExitStatus {
        self.shut_down();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = program.try_wait().expect("the program is a child of this process") {
                return status;
            }
            if Instant::now() >= deadline {
                program.kill().expect("the program is a child of this process");
                panic!("the module did not end within {} s of NodeShutdown", PATIENCE.as_secs());
            }
            // It ends only if this runtime goes on meanwhile: it reads what the host sends.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The lines that the module has logged.
    #[must_use]
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.state().log.clone()
    }

    /// The first line of the log that contains `part`, as soon as there is one.
    pub async fn logged(&self, part: &str) -> LogLine {
        let found = |host: &Self| host.log_lines().into_iter().find(|line| line.message.contains(part));
        self.wait_for(&format!("a line of the log with {part:?}"), found).await
    }

    /// Waits until the module has subscribed to this type: only then is it told of what happens.
    ///
    /// # Panics
    /// If it has not after 20 seconds.
    pub async fn subscribed(&self, event_type: EventType) {
        let found = |host: &Self| host.state().is_subscribed(event_type).then_some(());
        self.wait_for(&format!("a subscription to {event_type}"), found).await;
    }

    /// The events that the module has published.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        self.state().published.clone()
    }

    /// The value of a metric that the module has reported without labels.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<SampleValue> {
        self.samples()
            .into_iter()
            .find(|sample| sample.name == name && sample.labels.is_empty())
            .map(|s| s.value)
    }

    /// All that the module has reported.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.state().samples.clone()
    }

    /// Sets the quota of the module's database, of which only the greatest values are looked at.
    pub fn limit_storage(&self, quota: StorageUsage) {
        self.change(|state| state.storage.limit(quota));
    }

    /// Waits until `look` finds what it looks for. It is asked again whenever the module has done something.
    ///
    /// # Panics
    /// If it has not found it after 20 seconds: `what` says what that is.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                // Listens before it looks: what changes in between wakes it up.
                changed.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        found.unwrap_or_else(|_| {
            panic!("waited {} s for {what}; {}", PATIENCE.as_secs(), self.state().summary())
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whoever waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.shared.change(change)
    }
}

impl Shared {
    /// No code of the harness panics while it holds the lock, so a poisoned state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changed.notify_waiters();
        done
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let listening = self.listening.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = listening.take() {
            listening.abort();
        }
    }
}

impl std::fmt::Debug for TestHost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TestHost({})", self.state().summary())
    }
}
