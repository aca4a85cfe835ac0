//! The launcher's loop: waits on core, modules and signals, and does what each calls for. One thread, no
//! waiting on any one of them: a subject that stalls, floods or dies costs the others nothing.

mod control;
mod core;
mod modules;
mod seen;
mod shutdown;
mod starts;
pub(crate) mod subject;
mod wait;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::time::Instant;

use cofferdam_config::Config;
use cofferdam_control::{NodeSettings, Restart, RosterEntry};
use cofferdam_installation::Admission;
use cofferdam_manifest::ModuleName;

use crate::audit::{Audit, Work};
use crate::error::Error;
use crate::grants::Grants;
use crate::interface::Interface;
use crate::log;
use crate::start::{Launcher, Loaded, Prepared};
use control::ControlLink;
use shutdown::Stopping;
use starts::Starts;
use subject::Subject;
use watch::Watch;

/// What the supervisor runs.
pub(crate) struct Supervisor {
    launcher: Launcher,
    audit: Audit,
    grants: Grants,
    config: Config,
    roster: Vec<RosterEntry>,
    node: NodeSettings,
    interface: Option<Interface>,
    modules: BTreeMap<ModuleName, Module>,
    core: Core,
    stopping: Stopping,
    /// What `cofferdam learn` watches; nothing in every other run.
    watch: Option<Watch>,
}

/// A module of the roster.
pub(crate) struct Module {
    loaded: Loaded,
    /// What was granted when it was loaded; each start asks again.
    admission: Admission,
    /// The next start, made ahead.
    prepared: Option<Prepared>,
    running: Option<Subject>,
    /// How often it may still be started.
    starts: Starts,
}

impl Module {
    pub(crate) fn new(loaded: Loaded, admission: Admission) -> Self {
        Self { loaded, admission, prepared: None, running: None, starts: Starts::default() }
    }
}

/// The core, which may be started again.
struct Core {
    loaded: Loaded,
    running: Option<RunningCore>,
    /// Starts since it last ran for long.
    crashes: u32,
    /// When to start it again.
    restart_at: Option<Instant>,
}

struct RunningCore {
    subject: Subject,
    link: ControlLink,
    since: Instant,
    /// It has said that it is ready.
    serves: bool,
}

/// What a supervisor is made of.
pub(crate) struct Parts {
    pub(crate) launcher: Launcher,
    pub(crate) audit: Audit,
    pub(crate) grants: Grants,
    pub(crate) config: Config,
    pub(crate) roster: Vec<RosterEntry>,
    pub(crate) node: NodeSettings,
    pub(crate) interface: Option<Interface>,
    pub(crate) modules: BTreeMap<ModuleName, Module>,
    pub(crate) core: Loaded,
    pub(crate) watch: Option<Watch>,
}

impl Supervisor {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            launcher: parts.launcher,
            audit: parts.audit,
            grants: parts.grants,
            config: parts.config,
            roster: parts.roster,
            node: parts.node,
            interface: parts.interface,
            modules: parts.modules,
            core: Core { loaded: parts.core, running: None, crashes: 0, restart_at: None },
            stopping: Stopping::No,
            watch: parts.watch,
        }
    }

    /// Runs until everything has stopped. Whatever happens, no process and no cgroup of ours is left. Gives back what
    /// was watched.
    ///
    /// # Errors
    /// When the core cannot be started, or the launcher itself cannot go on.
    pub(crate) fn run(mut self, signals: &nix::sys::signalfd::SignalFd) -> Result<Option<Watch>, Error> {
        self.audit.start()?;
        let recorded = self.grants.record(&mut self.audit);
        let outcome = recorded.and_then(|()| self.run_until_stopped(signals));
        let ended = self.end_everything();
        // What was granted or revoked meanwhile is told now, and not only at the next start.
        if let Err(error) = self.grants.look_again(&mut self.audit) {
            log::error("launcher", &error);
        }
        let outcome = outcome.and(ended);
        self.audit.stop(&outcome);
        outcome.map(|()| self.watch)
    }

    fn run_until_stopped(&mut self, signals: &nix::sys::signalfd::SignalFd) -> Result<(), Error> {
        if let Some(watch) = &mut self.watch {
            watch.begin(Instant::now());
        }
        self.start_core()?;
        self.prepare_modules();
        while !self.has_stopped() {
            let ready = self.wait(signals)?;
            let now = Instant::now();
            let work = if ready.is_empty() { Work::None } else { Work::Some };
            self.handle(ready, signals, now)?;
            self.meet_deadlines(now);
            self.audit.sync_in_time(work, now);
        }
        Ok(())
    }

    fn restart_policy(&self) -> Restart {
        match self.config.modules.restart {
            cofferdam_config::Restart::OnFailure => Restart::OnFailure,
            cofferdam_config::Restart::Never => Restart::Never,
        }
    }

    /// Makes the next start of each module ahead. One that fails is tried again, and reported, when the
    /// module is asked for.
    fn prepare_modules(&mut self) {
        for (name, module) in &mut self.modules {
            if module.prepared.is_none() && module.running.is_none() {
                match self.launcher.prepare(&module.loaded) {
                    Ok(prepared) => module.prepared = Some(prepared),
                    Err(error) => log::error(name.as_str(), &error),
                }
            }
        }
    }
}
