//! The core: the launcher's first confined child. When it dies the modules are stopped and it is started again.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_config::{Backend, RpcAuth};
use cofferdam_control::{Ask, CoreSettings, Report, RpcCredentials, shorten};
use cofferdam_manifest::ModuleName;
use nix::fcntl::OFlag;
use nix::sys::signalfd::SignalFd;

use super::control::{ControlLink, Heard};
use super::modules::launch;
use super::shutdown::Stopping;
use super::subject::{Buried, Subject};
use super::wait::{Ready, Who};
use super::{RunningCore, Supervisor};
use crate::error::{Error, file};
use crate::interface::Interface;
use crate::log::{self, CORE_RATE};
use crate::sys::parent::Reap;

/// Pauses before the core is started again: doubled with each crash, from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A core that ran this long had no trouble starting: the next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// The longest file with credentials, in bytes. A cookie has about 75.
const MAX_CREDENTIALS_BYTES: u64 = 4096;

impl Supervisor {
    pub(super) fn start_core(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        // Before there is a core: one that could not be told of its socket would be left behind.
        let listener = self.interface.as_mut().map(Interface::listener).transpose()?;
        let prepared = self.launcher.prepare(&self.core.loaded)?;
        let running = launch(&mut self.launcher, &mut self.audit, &self.core.loaded, prepared)?;
        let profile = self.core.loaded.profile();
        let policy = profile.syscalls.clone();
        let memory = profile.limits.memory_bytes.value;
        log::line("core", &format!("started: {}", self.launcher.confinement(&self.core.loaded, &running)));
        let (subject, peer) = Subject::new("core".to_owned(), running, policy, memory, CORE_RATE, now);
        let link = ControlLink::new(peer, now);
        self.core.running = Some(RunningCore { subject, link, since: now, serves: false });
        let roster = Report::Roster {
            modules: self.roster.clone(),
            node: self.node.clone(),
            restart: self.restart_policy(),
            settings: CoreSettings {
                interface: self.interface.as_ref().map(|interface| interface.announced().clone()),
                lightning: self.config.modules.lightning.clone(),
                redact_peers: self.config.redact_peers,
                watched: self.watch.as_ref().map(|watch| watch.module.clone()),
            },
        };
        // Like any report: a core that does not take it is killed, and not left behind.
        self.report(&roster, listener);
        Ok(())
    }

    /// Sends a report to the core. A core that is hung or hostile is killed; the loop sees its end.
    pub(super) fn report(&mut self, report: &Report, descriptor: Option<std::os::fd::OwnedFd>) {
        if let Some(core) = &mut self.core.running
            && let Err(error) = core.link.report(report, descriptor)
        {
            log::error("core", &error);
            core.subject.kill();
        }
    }

    pub(super) fn handle(
        &mut self,
        ready: Vec<Ready>,
        signals: &SignalFd,
        now: Instant,
    ) -> Result<(), Error> {
        // Ends come last: what a subject did before its end is handled while it is still known.
        let (ends, others): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|ready| matches!(ready, Ready::Ended(_)));
        for ready in others.into_iter().chain(ends) {
            match ready {
                Ready::Signal => self.take_signal(signals, now),
                Ready::Control => self.converse(now),
                Ready::Output(who, stream) => {
                    if let Some(subject) = self.subject_mut(&who) {
                        subject.read_outputs(stream, now);
                    }
                }
                Ready::Denial(who) => {
                    if let Some(denial) = self.subject_mut(&who).and_then(|subject| subject.answer(now)) {
                        self.audit.denial(who.label(), denial, now);
                    }
                }
                Ready::ListenerClosed(who) => {
                    if let Some(subject) = self.subject_mut(&who) {
                        subject.close_listener();
                    }
                }
                Ready::Ended(Who::Core) => self.bury_core(now)?,
                Ready::Ended(Who::Module(name)) => self.bury_module(&name, now)?,
            }
        }
        Ok(())
    }

    /// Reads what the core asks, one message a turn, and sends what waits for it.
    fn converse(&mut self, now: Instant) {
        let Some(core) = &mut self.core.running else { return };
        match core.link.hear(now).and_then(|heard| core.link.flush().map(|()| heard)) {
            Ok(Heard::Ask(ask)) => self.obey(ask, now),
            Ok(Heard::Nothing) => {}
            // A core without its control socket can do nothing any more. Most often it is just dying.
            Ok(Heard::Closed) => core.subject.kill_unless_it_ends(),
            Err(error) => {
                log::error("core", &error);
                core.subject.kill();
            }
        }
    }

    fn obey(&mut self, ask: Ask, now: Instant) {
        match ask {
            Ask::Ready => self.core_serves(),
            Ask::Start { module } => self.start_module(&module, now),
            Ask::Stop { module } => self.stop_module(&module),
            Ask::Usage { module } => self.report_usage(module),
            Ask::Credentials => {
                let credentials = credentials(&self.config.node).map_err(|error| shorten(&error));
                self.report(&Report::Credentials { credentials }, None);
            }
            Ask::Denied { module, call, needs, more } if self.modules.contains_key(&module) => {
                self.audit.refused(module.as_str(), &call, &needs, more, now);
            }
            Ask::Denied { module, .. } => self.accuses_nobody(&module),
            Ask::Watched { module, watched } => self.note_watched(&module, watched),
            Ask::Stopped => self.core_has_stopped(now),
        }
    }

    /// A core says this once.
    fn core_serves(&mut self) {
        let Some(core) = &mut self.core.running else { return };
        if std::mem::replace(&mut core.serves, true) {
            log::line("core", "error: it says twice that it is ready");
            core.subject.kill();
        }
    }

    /// Each name has counts and lines of its own in the audit log: there are as many as there are modules.
    fn accuses_nobody(&mut self, module: &ModuleName) {
        let Some(core) = &mut self.core.running else { return };
        log::line(
            "core",
            &format!("error: it tells of denials of {module}, which is no module of the roster"),
        );
        core.subject.kill();
    }

    fn bury_core(&mut self, now: Instant) -> Result<(), Error> {
        let Some(RunningCore { subject, link, since, serves }) = self.core.running.take() else {
            return Ok(());
        };
        match subject.bury(Reap::Now, now)? {
            Buried::StillRunning(subject) => {
                self.core.running = Some(RunningCore { subject: *subject, link, since, serves });
            }
            Buried::Ended(end, limits) => {
                log::line("core", &end.to_string());
                self.audit.end("core", &end, limits, now);
                if let Some(watch) = &mut self.watch {
                    watch.core_ended();
                }
                self.stop_all_modules();
                if self.stopping == Stopping::No {
                    self.schedule_core(now, since);
                }
            }
        }
        Ok(())
    }

    pub(super) fn schedule_core(&mut self, now: Instant, since: Instant) {
        let core = &mut self.core;
        core.crashes = if now - since >= HEALTHY { 0 } else { core.crashes };
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(core.crashes)).min(LONGEST_PAUSE);
        core.crashes = core.crashes.saturating_add(1);
        core.restart_at = Some(now + pause);
        log::line("core", &format!("starts again in {} s", pause.as_secs()));
    }
}

/// Reads the node's credentials afresh: the cookie changes whenever the node starts.
fn credentials(node: &Backend) -> Result<RpcCredentials, String> {
    let Backend::Bitcoind(node) = node else {
        return Err("the embedded chain has no credentials".to_owned());
    };
    match &node.auth {
        RpcAuth::Cookie(path) => {
            let cookie = secret(path, "the node writes it when it starts: is it running?")
                .map_err(|error| error.to_string())?;
            let (user, password) = cookie
                .split_once(':')
                .ok_or_else(|| format!("{} is not a cookie file: it has no colon", path.display()))?;
            Ok(RpcCredentials { user: user.to_owned(), password: password.to_owned() })
        }
        RpcAuth::Password { user, password_file } => {
            let password = secret(password_file, "write the password of rpcauth there")
                .map_err(|error| error.to_string())?;
            Ok(RpcCredentials { user: user.clone(), password })
        }
    }
}

fn secret(path: &Path, remedy: &'static str) -> Result<String, Error> {
    let mut text = String::new();
    // The node's user chooses what lies there: the launcher waits for nobody who would write into a pipe.
    fs::File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .and_then(regular)
        .and_then(|file| file.take(MAX_CREDENTIALS_BYTES).read_to_string(&mut text))
        .map_err(file("read the credentials in", path, remedy))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn regular(file: fs::File) -> io::Result<fs::File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_place_of_the_credentials_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, cookie) = (folder.path().join("pipe"), folder.path().join("cookie"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(&cookie, "user:password\n").unwrap();
        assert_eq!(secret(&cookie, "").unwrap(), "user:password");
        assert!(secret(&pipe, "").unwrap_err().to_string().contains("no regular file"));
    }
}
