//! Starting, stopping and burying modules.

use std::time::Instant;

use cofferdam_control::{Report, shorten};
use cofferdam_manifest::ModuleName;

use super::Supervisor;
use super::starts::Starts;
use super::subject::{Buried, Subject};
use crate::audit::Audit;
use crate::error::Error;
use crate::log::{self, MODULE_RATE};
use crate::start::{Launcher, Loaded, Prepared, Running};
use crate::sys::parent::Reap;

impl Supervisor {
    pub(super) fn start_module(&mut self, name: &ModuleName, now: Instant) {
        match self.try_start(name, now) {
            Ok((confinement, peer)) => {
                log::line(name.as_str(), &format!("started: {confinement}"));
                self.report(&Report::Started { module: name.clone() }, Some(peer));
            }
            Err(error) => {
                log::line(name.as_str(), &format!("error: {error}"));
                self.report(&Report::StartFailed { module: name.clone(), error: shorten(&error) }, None);
            }
        }
    }

    fn try_start(
        &mut self,
        name: &ModuleName,
        now: Instant,
    ) -> Result<(String, std::os::fd::OwnedFd), String> {
        let module =
            self.modules.get_mut(name).ok_or_else(|| format!("{name} is not a module of the roster"))?;
        if module.running.is_some() {
            return Err(format!("{name} runs already"));
        }
        if !self.stopping.allows_starts() {
            return Err("everything is being stopped".to_owned());
        }
        if !module.starts.take(now) {
            self.audit.start_refused(name, now);
            return Err(Starts::refusal());
        }
        let allowed = self.grants.allow(name, &module.admission, module.loaded.profile(), &mut self.audit);
        if let Err(error) = allowed {
            self.audit.not_started(name.as_str(), &error);
            return Err(error.to_string());
        }
        let prepared = match module.prepared.take() {
            Some(prepared) => prepared,
            None => self.launcher.prepare(&module.loaded).map_err(|error| error.to_string())?,
        };
        let running = launch(&mut self.launcher, &mut self.audit, &module.loaded, prepared)
            .map_err(|error| error.to_string())?;
        let confinement = self.launcher.confinement(&module.loaded, &running);
        let profile = module.loaded.profile();
        let (policy, memory) = (profile.syscalls.clone(), profile.limits.memory_bytes.value);
        let (mut subject, peer) = Subject::new(name.to_string(), running, policy, memory, MODULE_RATE, now);
        if let Some(watch) = self.watch.as_mut().filter(|watch| watch.module == *name) {
            watch.started(module.loaded.profile_hash(), now);
            subject.watch();
        }
        module.running = Some(subject);
        Ok((confinement, peer))
    }

    pub(super) fn stop_module(&mut self, name: &ModuleName) {
        // One that has ended, or is none, needs no stopping; its end has been or will be reported.
        if let Some(subject) = self.modules.get_mut(name).and_then(|module| module.running.as_mut()) {
            subject.kill();
        }
    }

    pub(super) fn stop_all_modules(&mut self) {
        for subject in self.modules.values_mut().filter_map(|module| module.running.as_mut()) {
            subject.kill();
        }
    }

    pub(super) fn report_usage(&mut self, name: ModuleName) {
        let subject = self.modules.get(&name).and_then(|module| module.running.as_ref());
        let usage = match subject.map(Subject::usage).transpose() {
            Ok(usage) => usage.flatten(),
            Err(error) => {
                log::error(name.as_str(), &error);
                None
            }
        };
        self.report(&Report::Usage { module: name, usage }, None);
    }

    pub(super) fn bury_module(&mut self, name: &ModuleName, now: Instant) -> Result<(), Error> {
        let Some(module) = self.modules.get_mut(name) else { return Ok(()) };
        let Some(subject) = module.running.take() else { return Ok(()) };
        let seen = subject.seen();
        match subject.bury(Reap::Now, now)? {
            Buried::StillRunning(subject) => module.running = Some(*subject),
            Buried::Ended(end, limits) => {
                log::line(name.as_str(), &end.to_string());
                self.note_seen(seen, &end, now);
                self.audit.end(name.as_str(), &end, limits, now);
                self.report(&Report::Exited { module: name.clone(), end }, None);
                self.prepare_again();
            }
        }
        Ok(())
    }

    /// A module that may be started again gets its next start made ahead, while nobody waits for it.
    fn prepare_again(&mut self) {
        if self.stopping.allows_starts()
            && self.config.modules.restart == cofferdam_config::Restart::OnFailure
        {
            self.prepare_modules();
        }
    }
}

/// Records the launch and then does it: in the log stands at least what was started.
pub(super) fn launch(
    launcher: &mut Launcher,
    audit: &mut Audit,
    loaded: &Loaded,
    prepared: Prepared,
) -> Result<Running, Error> {
    if let Err(error) = audit.launch(launcher, loaded) {
        let _first_error_counts = Launcher::discard(prepared);
        return Err(error);
    }
    let launched = launcher.launch(prepared);
    if let Err(error) = &launched {
        audit.not_started(loaded.profile().subject.label(), error);
    }
    launched
}
