//! Carries out what the lifecycle decides: asks the launcher, serves sessions, publishes, logs.

mod lifecycle;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_control::{Ask, MAX_MODULES, Report, Restart, RosterEntry, Usage};
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::{EventOrigin, EventPayload, EventType};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until};

use self::lifecycle::{Action, Lifecycle};
use crate::api::Host;
use crate::control_link::{Launcher, LinkError, Received};
use crate::modules::HOST;
use crate::samples::{every, warnings};
use crate::session::{Module, SessionEnd, serve};

/// How often the log says what each module uses. The launcher is asked more often, to warn in time.
const USAGE_LOGGED_EVERY: Duration = Duration::from_secs(3600);

/// How long a session may outlive the process it belongs to: its last requests may wait for the node.
const OUTLIVE: Duration = Duration::from_secs(5);

/// A start of a module; its session belongs to it.
type Start = (ModuleName, u64);

/// Runs the modules of the roster until everything has ended.
#[derive(Debug)]
pub(crate) struct Supervisor {
    lifecycle: Lifecycle,
    modules: HashMap<ModuleName, Arc<Module>>,
    /// Modules that are not started, and why: what was granted to them makes no sense.
    unusable: Vec<(ModuleName, String)>,
    /// By module, of which there are as many as the roster has.
    used: HashMap<ModuleName, Used>,
    host: Arc<Host>,
    launcher: Launcher,
    reports: mpsc::Receiver<Received>,
    /// Where sessions run.
    runtime: Handle,
    sessions: JoinSet<SessionEnd>,
    session_of: HashMap<Id, (Start, AbortHandle)>,
    opened: mpsc::Sender<Start>,
    opened_out: mpsc::Receiver<Start>,
}

/// What a module used when it was last looked at.
#[derive(Debug)]
struct Used {
    usage: Usage,
    /// When the log last said so.
    logged: Instant,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    GoOn,
    Finished,
}

impl Supervisor {
    /// A supervisor that has started nothing yet, and will run sessions on `runtime`.
    pub(crate) fn new(
        roster: Vec<RosterEntry>,
        restart: Restart,
        host: Arc<Host>,
        (launcher, reports): (Launcher, mpsc::Receiver<Received>),
        runtime: Handle,
    ) -> Self {
        let mut modules = HashMap::new();
        let mut unusable = Vec::new();
        for entry in &roster {
            let publishes = check(entry).unwrap_or_else(|why| {
                unusable.push((entry.name.clone(), why));
                Vec::new()
            });
            let module = module(entry, publishes);
            host.modules().install(&module);
            modules.insert(entry.name.clone(), Arc::new(module));
        }
        // A session opens once, and a module has one session at a time that has not opened.
        let (opened, opened_out) = mpsc::channel(2 * MAX_MODULES);
        Self {
            lifecycle: Lifecycle::new(roster, restart),
            unusable,
            used: HashMap::new(),
            modules,
            host,
            launcher,
            reports,
            runtime,
            sessions: JoinSet::new(),
            session_of: HashMap::new(),
            opened,
            opened_out,
        }
    }

    /// Starts the modules and looks after them until the launcher says that everything stops.
    ///
    /// # Errors
    /// [`LinkError`] if the launcher cannot be asked, or says what makes no sense.
    pub(crate) async fn run(mut self) -> Result<(), LinkError> {
        let mut usage = at_intervals(every::USAGE);
        let mut watch = at_intervals(every::WATCHED);
        self.launcher.ask(Ask::Ready)?;
        let mut begin = Vec::new();
        for (module, why) in std::mem::take(&mut self.unusable) {
            begin.extend(self.lifecycle.refuse(&module, &why));
        }
        begin.extend(self.lifecycle.begin());
        let mut progress = self.carry_out(begin)?;
        while progress == Progress::GoOn {
            let deadline = self.lifecycle.next_deadline();
            let actions = tokio::select! {
                received = self.reports.recv() => match received {
                    Some(received) => self.hear(received)?,
                    None => return Err(LinkError::LauncherGone),
                },
                Some((name, generation)) = self.opened_out.recv() => {
                    self.host.watch().session(&name);
                    self.lifecycle.opened(Instant::now(), &name, generation)
                }
                Some(ended) = self.sessions.join_next_with_id() => self.session_ended(ended),
                () = until(deadline) => self.lifecycle.tick(Instant::now()),
                _ = usage.tick() => self.ask_for_usage()?,
                _ = watch.tick(), if self.host.watch().is_on() => self.tell_watched()?,
            };
            progress = self.carry_out(actions)?;
        }
        Ok(())
    }

    fn hear(&mut self, received: Received) -> Result<Vec<Action>, LinkError> {
        let Received { report, socket } = received;
        let now = Instant::now();
        Ok(match report {
            Report::Started { module } => {
                self.publish(EventPayload::ModuleStarted { name: module.to_string() });
                let (generation, mut actions) = self.lifecycle.started(&module);
                if let (Some(generation), Some(socket)) = (generation, socket) {
                    actions.extend(self.open_session((module, generation), socket));
                }
                actions
            }
            Report::StartFailed { module, error } => self.lifecycle.start_failed(now, &module, &error),
            Report::Exited { module, end } => {
                self.end_sessions_of(&module);
                self.publish(EventPayload::ModuleStopped { name: module.to_string() });
                self.lifecycle.exited(now, &module, &end)
            }
            Report::Usage { module, usage } => {
                if let Some(usage) = usage {
                    self.note_usage(now, module, usage);
                }
                Vec::new()
            }
            Report::Shutdown { grace_ms } => self.lifecycle.shut_down(now, grace_ms),
            Report::Roster { .. } | Report::Credentials { .. } => {
                return Err(LinkError::Protocol {
                    what: "a second roster, or credentials out of turn".to_owned(),
                });
            }
        })
    }

    fn open_session(&mut self, start: Start, socket: OwnedFd) -> Vec<Action> {
        let Some(module) = self.modules.get(&start.0).map(Arc::clone) else { return Vec::new() };
        let entered = self.runtime.enter();
        let stream = into_stream(socket);
        drop(entered);
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                let end = SessionEnd::HostFault(format!("its socket cannot be used: {error}"));
                return self.lifecycle.session_ended(Instant::now(), &start.0, start.1, &end);
            }
        };
        let (opened, told) = (self.opened.clone(), start.clone());
        let session = serve(stream, module, Arc::clone(&self.host), move || {
            // The channel has room for every session there is.
            let _ = opened.try_send(told);
        });
        let session = self.sessions.spawn_on(session, &self.runtime);
        self.session_of.insert(session.id(), (start, session));
        Vec::new()
    }

    /// Its process is gone, and what it said last is heard at once. Whoever else may hold its connection is
    /// not the module that was started.
    fn end_sessions_of(&self, module: &ModuleName) {
        for ((name, _), session) in self.session_of.values() {
            if name == module {
                let session = session.clone();
                tokio::spawn(async move {
                    sleep(OUTLIVE).await;
                    session.abort();
                });
            }
        }
    }

    fn session_ended(&mut self, ended: Result<(Id, SessionEnd), JoinError>) -> Vec<Action> {
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), SessionEnd::HostFault(error.to_string())),
        };
        // It may have opened in the same moment.
        let mut actions = Vec::new();
        while let Ok((name, generation)) = self.opened_out.try_recv() {
            self.host.watch().session(&name);
            actions.extend(self.lifecycle.opened(Instant::now(), &name, generation));
        }
        if let Some(((name, generation), _)) = self.session_of.remove(&id) {
            actions.extend(self.lifecycle.session_ended(Instant::now(), &name, generation, &end));
        }
        actions
    }

    fn ask_for_usage(&self) -> Result<Vec<Action>, LinkError> {
        for module in self.lifecycle.running() {
            self.launcher.ask(Ask::Usage { module: module.clone() })?;
        }
        Ok(Vec::new())
    }

    /// Tells the launcher what the watched module has asked for, if there is one and it has.
    fn tell_watched(&self) -> Result<Vec<Action>, LinkError> {
        self.host.watch().news().map_or(Ok(()), |news| self.launcher.ask(news))?;
        Ok(Vec::new())
    }

    fn note_usage(&mut self, now: Instant, module: ModuleName, usage: Usage) {
        let earlier = self.used.get(&module);
        for warning in warnings(&module, earlier.map(|earlier| &earlier.usage), &usage) {
            self.publish(warning);
        }
        let last = earlier.map(|earlier| earlier.logged);
        let logged = match last {
            Some(last) if now.saturating_duration_since(last) < USAGE_LOGGED_EVERY => last,
            Some(_) | None => {
                tracing::info!(subject = %module, "{}", in_words(usage));
                now
            }
        };
        self.used.insert(module, Used { usage, logged });
    }

    fn publish(&self, payload: EventPayload) {
        // Its cursor is for those who published it and want to know.
        let _ = self.host.hub().publish(payload);
    }

    /// Tells everybody which modules do something else than before.
    fn tell_states(&self) {
        for (name, state) in self.lifecycle.states() {
            if self.host.modules().set_state(name, state) {
                self.publish(EventPayload::ModuleStateChanged { name: name.to_string(), state });
            }
        }
    }

    fn carry_out(&self, actions: Vec<Action>) -> Result<Progress, LinkError> {
        self.tell_states();
        for action in actions {
            match action {
                Action::Start(module) => self.launcher.ask(Ask::Start { module })?,
                Action::Stop(module) => self.launcher.ask(Ask::Stop { module })?,
                Action::Publish(payload) => self.publish(payload),
                Action::Farewell { grace_ms } => {
                    tracing::info!("shutting down: modules have {grace_ms} ms to end");
                    self.host.hub().say_farewell(grace_ms);
                }
                Action::Say(module, line) => tracing::info!(subject = %module, "{line}"),
                Action::Finish => {
                    self.tell_watched()?;
                    self.launcher.finish(Ask::Stopped)?;
                    return Ok(Progress::Finished);
                }
            }
        }
        Ok(Progress::GoOn)
    }
}

fn module(entry: &RosterEntry, publishes: Vec<EventType>) -> Module {
    Module {
        name: entry.name.clone(),
        version: entry.version.clone(),
        granted: entry.granted.iter().copied().collect(),
        publishes,
        files: entry.files.clone(),
        limits: entry.limits,
    }
}

/// What [`publishes`] says, of a module that nobody can take for the host.
fn check(entry: &RosterEntry) -> Result<Vec<EventType>, String> {
    if entry.name.as_str().eq_ignore_ascii_case(HOST) {
        return Err(format!("modules are told that the host itself is `{HOST}`; rename the module"));
    }
    publishes(entry)
}

/// The event types that the operator lets a module publish.
///
/// # Errors
/// One of them is none, or not for modules: the module is not started, for it would not do what it is granted for.
fn publishes(entry: &RosterEntry) -> Result<Vec<EventType>, String> {
    entry.publishes.iter().map(|name| published(name)).collect()
}

/// The event type of this name, which modules may publish.
fn published(name: &str) -> Result<EventType, String> {
    let event_type: EventType = name.parse().map_err(|error| format!("publish_events: {error}"))?;
    match event_type.origin() {
        EventOrigin::Module => Ok(event_type),
        EventOrigin::Core => {
            Err(format!("publish_events: {name} comes from the host; modules cannot publish it"))
        }
    }
}

/// Must be called where the runtime is that the stream is for.
fn into_stream(socket: OwnedFd) -> io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Ticks first after the pause.
fn at_intervals(pause: Duration) -> Interval {
    let first = Instant::now().checked_add(pause).unwrap_or_else(Instant::now);
    let mut interval = interval_at(first, pause);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    interval
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn in_words(usage: Usage) -> String {
    let Usage { memory_bytes, cpu_us, tasks, .. } = usage;
    format!(
        "uses {} KiB of memory, {} ms of processor time so far, {tasks} threads",
        memory_bytes / 1024,
        cpu_us / 1000
    )
}
