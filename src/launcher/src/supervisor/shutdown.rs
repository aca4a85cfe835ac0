//! Stopping: the core tells the modules, they have the grace period, then everything is killed. In every case
//! the launcher ends with no child and no cgroup left.

use std::time::{Duration, Instant};

use cofferdam_control::Report;
use nix::sys::signalfd::SignalFd;

use super::Supervisor;
use super::subject::Buried;
use super::watch::Watch;
use crate::error::Error;
use crate::log;
use crate::start::Launcher;
use crate::sys::parent::Reap;

/// What the core has beyond the modules' grace period to say that it is done.
const CORE_MARGIN: Duration = Duration::from_secs(2);
/// What the core has to end by itself after it has said so.
const CORE_EXIT: Duration = Duration::from_secs(2);

/// How far the launcher is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    /// Not at all.
    No,
    /// The modules have until then to end by themselves.
    Grace { until: Instant },
    /// The core has until then to end by itself.
    CoreLeaves { until: Instant },
    /// Now.
    Now,
}

impl Stopping {
    pub(super) fn allows_starts(self) -> bool {
        self == Self::No
    }
}

impl Supervisor {
    pub(super) fn take_signal(&mut self, signals: &SignalFd, now: Instant) {
        // Without one it was a false wake-up; poll tells again if there is one.
        if let Ok(Some(_)) = signals.read_signal() {
            self.begin_to_stop(now);
        }
    }

    fn begin_to_stop(&mut self, now: Instant) {
        if self.stopping != Stopping::No {
            log::line("launcher", "stopping at once");
            self.stopping = Stopping::Now;
            return;
        }
        let grace = self.config.shutdown.grace;
        log::line("launcher", &format!("stopping: modules have {} ms (again: at once)", grace.as_millis()));
        self.stopping = Stopping::Grace { until: now + grace + CORE_MARGIN };
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.report(&Report::Shutdown { grace_ms }, None);
    }

    /// The core says that it is done. It can end the waiting sooner, never make it longer.
    pub(super) fn core_has_stopped(&mut self, now: Instant) {
        let until = now + CORE_EXIT;
        self.stopping = match self.stopping {
            Stopping::No => Stopping::CoreLeaves { until },
            Stopping::Grace { until: grace } => Stopping::CoreLeaves { until: until.min(grace) },
            other @ (Stopping::CoreLeaves { .. } | Stopping::Now) => other,
        };
        self.stop_all_modules();
    }

    pub(super) fn has_stopped(&self) -> bool {
        match self.stopping {
            Stopping::No => false,
            Stopping::Now => true,
            Stopping::Grace { .. } | Stopping::CoreLeaves { .. } => self.core.running.is_none(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stopping {
            Stopping::No => {
                let watched = self.watch.as_ref().and_then(Watch::until);
                self.core.restart_at.into_iter().chain(watched).min()
            }
            Stopping::Grace { until } | Stopping::CoreLeaves { until } => Some(until),
            Stopping::Now => Some(Instant::now()),
        }
    }

    pub(super) fn meet_deadlines(&mut self, now: Instant) {
        self.audit.write_counts(now);
        if self.stopping == Stopping::No
            && self.watch.as_ref().and_then(Watch::until).is_some_and(|at| at <= now)
        {
            self.begin_to_stop(now);
        }
        match self.stopping {
            Stopping::No => {
                if self.core.restart_at.is_some_and(|at| at <= now) && self.no_module_runs() {
                    self.core.restart_at = None;
                    match self.start_core() {
                        Ok(()) => self.prepare_modules(),
                        // What failed once may succeed later: the operator reads why, and it is tried again.
                        Err(error) => {
                            log::error("core", &error);
                            self.schedule_core(now, now);
                        }
                    }
                }
            }
            Stopping::Grace { until } if until <= now => {
                log::line("launcher", "the core did not stop in time: killed");
                self.stopping = Stopping::Now;
            }
            Stopping::CoreLeaves { until } if until <= now => self.stopping = Stopping::Now,
            Stopping::Grace { .. } | Stopping::CoreLeaves { .. } | Stopping::Now => {}
        }
    }

    fn no_module_runs(&self) -> bool {
        self.modules.values().all(|module| module.running.is_none())
    }

    /// Kills and buries whatever runs, and removes what was made ahead.
    pub(super) fn end_everything(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let mut outcome = Ok(());
        let core = self.core.running.take().map(|core| ("core".to_owned(), core.subject));
        let modules: Vec<_> = self
            .modules
            .iter_mut()
            .filter_map(|(name, module)| Some((name.to_string(), module.running.take()?)))
            .collect();
        for (name, mut subject) in modules.into_iter().chain(core) {
            subject.kill();
            let seen = subject.seen();
            match subject.bury(Reap::Wait, now) {
                Ok(Buried::Ended(end, limits)) => {
                    log::line(&name, &end.to_string());
                    self.note_seen(seen, &end, now);
                    self.audit.end(&name, &end, limits, now);
                }
                Ok(Buried::StillRunning(_)) => {}
                Err(error) => outcome = Err(error),
            }
        }
        for prepared in self.modules.values_mut().filter_map(|module| module.prepared.take()) {
            outcome = outcome.and(Launcher::discard(prepared));
        }
        outcome.and(self.launcher.remove_cgroups())
    }
}
