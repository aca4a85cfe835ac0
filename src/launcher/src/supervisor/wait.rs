//! Waits on everything at once, and hands out what is ready.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cofferdam_manifest::ModuleName;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;

use super::Supervisor;
use super::subject::{Stream, Subject};
use crate::error::{Error, system};

/// Whose descriptor is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Core,
    Module(ModuleName),
}

impl Who {
    /// The name in logs.
    pub(super) fn label(&self) -> &str {
        match self {
            Self::Core => "core",
            Self::Module(name) => name.as_str(),
        }
    }
}

/// What is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ready {
    /// A signal for the launcher.
    Signal,
    /// The core's end of the control socket can be read, or written, or was closed.
    Control,
    /// Output of a subject.
    Output(Who, Stream),
    /// A refused call waits.
    Denial(Who),
    /// Nobody can make a call under this filter any more.
    ListenerClosed(Who),
    /// A subject has ended.
    Ended(Who),
}

impl Supervisor {
    /// Waits until something is ready or a deadline has come.
    pub(super) fn wait(&mut self, signals: &SignalFd) -> Result<Vec<Ready>, Error> {
        let now = Instant::now();
        let deadlines = [self.next_deadline(), self.audit.next_counts()];
        let next = deadlines.into_iter().flatten().min();
        let mut timeout = next.map(|at| at.saturating_duration_since(now));
        let pauses = self.subjects_mut().filter_map(|(_, subject)| subject.refill(now)).min();
        let asks = self.core.running.as_mut().and_then(|core| core.link.refill(now));
        for pause in [pauses, asks, self.audit.sync_after()].into_iter().flatten() {
            timeout = Some(timeout.map_or(pause, |other| other.min(pause)));
        }
        let mut watched: Vec<(PollFd<'_>, Ready)> = Vec::new();
        let readable = PollFlags::POLLIN;
        watched.push((PollFd::new(signals.as_fd(), readable), Ready::Signal));
        if let Some(core) = &self.core.running {
            watched.push((PollFd::new(core.link.socket(), core.link.interest()), Ready::Control));
        }
        for (who, subject) in self.subjects() {
            watched.push((PollFd::new(subject.pidfd(), readable), Ready::Ended(who.clone())));
            for (output, stream) in subject.outputs().into_iter().zip([Stream::Stdout, Stream::Stderr]) {
                if let Some(output) = output {
                    watched.push((PollFd::new(output, readable), Ready::Output(who.clone(), stream)));
                }
            }
            if let Some(listener) = subject.listener() {
                watched.push((PollFd::new(listener, readable), Ready::Denial(who)));
            }
        }
        let (mut descriptors, tags): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
        match poll(&mut descriptors, milliseconds(timeout)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(system("poll")(errno)),
        }
        Ok(descriptors.iter().zip(tags).filter_map(|(descriptor, tag)| ready(descriptor, tag)).collect())
    }

    fn subjects(&self) -> impl Iterator<Item = (Who, &Subject)> {
        let core = self.core.running.iter().map(|core| (Who::Core, &core.subject));
        let modules = self.modules.iter().filter_map(|(name, module)| {
            module.running.as_ref().map(|subject| (Who::Module(name.clone()), subject))
        });
        core.chain(modules)
    }

    pub(super) fn subjects_mut(&mut self) -> impl Iterator<Item = (Who, &mut Subject)> {
        let core = self.core.running.iter_mut().map(|core| (Who::Core, &mut core.subject));
        let modules = self.modules.iter_mut().filter_map(|(name, module)| {
            module.running.as_mut().map(|subject| (Who::Module(name.clone()), subject))
        });
        core.chain(modules)
    }

    pub(super) fn subject_mut(&mut self, who: &Who) -> Option<&mut Subject> {
        match who {
            Who::Core => self.core.running.as_mut().map(|core| &mut core.subject),
            Who::Module(name) => self.modules.get_mut(name)?.running.as_mut(),
        }
    }
}

fn ready(descriptor: &PollFd<'_>, tag: Ready) -> Option<Ready> {
    let events = descriptor.revents().unwrap_or(PollFlags::empty());
    if events.is_empty() {
        return None;
    }
    if let Ready::Denial(who) = &tag
        && !events.contains(PollFlags::POLLIN)
    {
        return Some(Ready::ListenerClosed(who.clone()));
    }
    Some(tag)
}

fn milliseconds(timeout: Option<Duration>) -> PollTimeout {
    let Some(timeout) = timeout else { return PollTimeout::NONE };
    // Rounded up: waking too early would spin.
    let rounded = timeout.as_millis().saturating_add(1);
    PollTimeout::try_from(i32::try_from(rounded).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX)
}
