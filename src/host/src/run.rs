//! The core from its start to its end: the control socket, the roster, the node, the modules.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cofferdam_control::{CoreSettings, Interface, NodeSettings, Report, Restart, RosterEntry};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::api::{Host, Local};
use crate::backend;
use crate::control_link::{ControlSocket, Launcher, LinkError, Received, link};
use crate::events;
use crate::interface::{InterfaceError, serve_tools};
use crate::samples::announce_roster;
use crate::storage::disk;
use crate::supervise::Supervisor;
use cofferdam_node::NodeError;

/// Threads for what blocks: the files of the embedded chain and of the events, and apart from them, so that they
/// never wait for a module's disk, what modules do to theirs.
const BLOCKING_THREADS: usize = 8 + disk::IN_ALL;

/// How long the launcher may take to send the roster, which it has before it starts the core.
const ROSTER_DEADLINE: Duration = Duration::from_secs(30);

/// How long work that blocks may go on when everything else has ended: a write to the chain's file.
const LAST_WORK: Duration = Duration::from_secs(5);

/// The core's state directory, as the operator's configuration names it.
const STATE_ON_HOST: &str = "<state_dir>/core";

/// Why the core ended, other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The kernel gives no threads or no event queue.
    #[error("start the runtime")]
    Runtime(#[source] io::Error),
    /// The link to the launcher ended.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The launcher sent something else than the roster first, or nothing.
    #[error("the launcher sent no roster within {} s (are cofferdam and cofferdam-launcher of one build?)", ROSTER_DEADLINE.as_secs())]
    NoRoster,
    /// The node cannot be used.
    #[error("the node cannot be used")]
    Node(#[source] NodeError),
    /// A file of the development chain cannot be used. Its error names it as the sandbox sees it.
    #[error("the development chain cannot be used (outside the sandbox its file is {})", on_host.display())]
    ChainFile {
        /// Where the operator finds it, from the configuration's `state_dir`.
        on_host: PathBuf,
        /// What is wrong with it.
        source: NodeError,
    },
    /// The operator's tools cannot be served.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// A mistake in the core.
    #[error("a task of the core ended: {0}")]
    Task(String),
}

/// Runs the core in this process, which the launcher started: stdin is the control socket, stderr the log.
///
/// Returns when the launcher said that everything stops and everything has. An error was logged already.
///
/// # Errors
/// [`CoreError`] if the core cannot start or the launcher is gone.
pub fn run_core(state_dir: &Path) -> Result<(), CoreError> {
    cofferdam_log::init();
    let sessions = Sessions::start().map_err(CoreError::Runtime).inspect_err(tell)?;
    let work = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("work")
        .enable_all()
        .build()
        .map_err(CoreError::Runtime)
        .inspect_err(tell)?;
    let handle = sessions.handle.clone();
    let outcome =
        work.block_on(async { serve_launcher(ControlSocket::from_stdin()?, state_dir, handle).await });
    sessions.stop();
    work.shutdown_timeout(LAST_WORK);
    outcome.inspect_err(tell)
}

/// The thread that sessions and small calls have to themselves: no other is woken for them, which would cost more than
/// the call, and they wait for no block that is being encoded. That is work for the other runtime, and so is all that
/// follows the node.
struct Sessions {
    handle: Handle,
    thread: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Sessions {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("sessions")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // An error says that the other end is gone, which comes to the same.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(LAST_WORK);
        };
        let thread = std::thread::Builder::new().name("sessions".to_owned()).spawn(run)?;
        Ok(Self { handle, thread, stop })
    }

    fn stop(self) {
        // Fails if the thread has ended, which it does for nothing else.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread of the sessions panicked");
        }
    }
}

fn tell(error: &CoreError) {
    match std::error::Error::source(error) {
        Some(source) => tracing::error!("ends: {error}: {source}"),
        None => tracing::error!("ends: {error}"),
    }
}

/// Serves the launcher at the other end of `socket` until it stops the core or is gone, and the modules on `sessions`.
async fn serve_launcher(socket: ControlSocket, state_dir: &Path, sessions: Handle) -> Result<(), CoreError> {
    let (link, launcher, reports) = link(socket);
    let mut linking = tokio::spawn(link.run());
    let ended = |joined: Result<Result<(), LinkError>, tokio::task::JoinError>| match joined {
        Ok(ended) => ended.map_err(CoreError::from),
        Err(error) => Err(CoreError::Task(error.to_string())),
    };
    tokio::select! {
        joined = &mut linking => ended(joined),
        served = serve_modules(launcher, reports, state_dir, sessions) => {
            served?;
            // What was asked last has still to be sent.
            ended(linking.await)
        }
    }
}

async fn serve_modules(
    launcher: Launcher,
    mut reports: mpsc::Receiver<Received>,
    state_dir: &Path,
    sessions: Handle,
) -> Result<(), CoreError> {
    let roster = receive_roster(&mut reports).await?;
    let local = Local::new(state_dir, &roster.modules, &roster.settings, &roster.node);
    let node = backend::open(roster.node, state_dir, launcher.clone()).await;
    let node = node.map_err(|error| unusable(error, state_dir))?;
    tracing::info!("ready; modules: {}; node: {} ({})", roster.modules.len(), node.label(), node.chain());
    tracing::debug!("settings: {:?}", roster.settings);
    let (hub, feed) = events::open(&node, state_dir).await;
    announce_roster(&hub, state_dir, &roster.modules).await;
    let host = Arc::new(Host::with_local(node, hub, local));
    let samplers = host.samplers(&feed, state_dir);
    host.denials().tell(launcher.clone());
    if let Some(lightning) = roster.settings.lightning.clone() {
        host.modules().answer_lightning_from(lightning);
    }
    let tools = serve_interface(roster.settings.interface, roster.socket, Arc::clone(&host));
    let supervisor = Supervisor::new(roster.modules, roster.restart, host, (launcher, reports), sessions);
    tokio::select! {
        supervised = supervisor.run() => Ok(supervised?),
        () = samplers.run() => Err(CoreError::Task("the one that looks for events".to_owned())),
        () = feed.run() => Err(CoreError::Task("the one that follows the chain".to_owned())),
        served = tools => served,
    }
}

/// Serves the operator's tools, if there is an interface for them. Ends only with an error.
async fn serve_interface(
    interface: Option<Interface>,
    socket: Option<OwnedFd>,
    host: Arc<Host>,
) -> Result<(), CoreError> {
    let Some(interface) = interface else { return std::future::pending().await };
    serve_tools(interface, socket, host).await?;
    Err(CoreError::Task("the one that serves the operator's tools".to_owned()))
}

fn unusable(error: NodeError, state_dir: &Path) -> CoreError {
    if let NodeError::Storage { path, .. } = &error
        && let Ok(below) = path.strip_prefix(state_dir)
    {
        return CoreError::ChainFile { on_host: Path::new(STATE_ON_HOST).join(below), source: error };
    }
    CoreError::Node(error)
}

struct Roster {
    modules: Vec<RosterEntry>,
    node: NodeSettings,
    restart: Restart,
    settings: CoreSettings,
    /// What listens for the operator's tools, if there is an interface for them.
    socket: Option<OwnedFd>,
}

async fn receive_roster(reports: &mut mpsc::Receiver<Received>) -> Result<Roster, CoreError> {
    let first = timeout(ROSTER_DEADLINE, reports.recv()).await.map_err(|_elapsed| CoreError::NoRoster)?;
    let Received { report, socket } = first.ok_or(LinkError::LauncherGone)?;
    match report {
        Report::Roster { modules, node, restart, settings } => {
            Ok(Roster { modules, node, restart, settings, socket })
        }
        Report::Started { .. }
        | Report::StartFailed { .. }
        | Report::Exited { .. }
        | Report::Usage { .. }
        | Report::Credentials { .. }
        | Report::Shutdown { .. } => Err(CoreError::NoRoster),
    }
}

#[cfg(test)]
mod tests;
