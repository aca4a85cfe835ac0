//! Which module is to be started, stopped or waited for: decisions only.
//!
//! What happened goes in, with the time; what is to be done comes out as a list. It never does anything
//! itself, so that every order of events can be tried in a test without a process or a clock.

mod dependants;
mod slot;

use std::time::Duration;

use cofferdam_control::{End, MAX_MODULES, Restart, RosterEntry};
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::EventPayload;
use cofferdam_protocol::modules::ModuleState;
use tokio::time::Instant;

use self::slot::{Fault, Slot, State};
use crate::session::SessionEnd;
use cofferdam_log::escaped;

/// The pause before the first restart; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: a module that always crashes costs one start per minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Running for this long counts as having recovered.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// How long a module that closed its connection may take to end: it may still write its database.
const EXIT_PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Ask the launcher to start the module.
    Start(ModuleName),
    /// Ask the launcher to kill the module.
    Stop(ModuleName),
    /// Publish an event.
    Publish(EventPayload),
    /// Tell every session that the node shuts down.
    Farewell {
        /// How long they have.
        grace_ms: u64,
    },
    /// Log a line about the module.
    Say(ModuleName, String),
    /// Everything has ended that would: tell the launcher, and end.
    Finish,
}

/// The modules of the roster and what becomes of them.
#[derive(Debug)]
pub(super) struct Lifecycle {
    slots: Vec<Slot>,
    restart: Restart,
    /// When the grace period ends, once the node shuts down.
    deadline: Option<Instant>,
    actions: Vec<Action>,
}

impl Lifecycle {
    pub(super) fn new(roster: Vec<RosterEntry>, restart: Restart) -> Self {
        let slots = roster.into_iter().take(MAX_MODULES).map(Slot::new).collect();
        Self { slots, restart, deadline: None, actions: Vec::new() }
    }

    /// It is not to be started, because what the operator granted it makes no sense.
    pub(super) fn refuse(&mut self, name: &ModuleName, why: &str) -> Vec<Action> {
        if let Some(slot) = self.slot(name) {
            slot.state = State::Ended;
            slot.trouble = Some(why.to_owned());
            self.actions.push(Action::Say(name.clone(), format!("not started: {why}")));
            self.say_who_is_held_up(name);
        }
        self.take_actions()
    }

    /// Starts what requires nothing.
    pub(super) fn begin(&mut self) -> Vec<Action> {
        self.start_what_can();
        self.say_if_something_is_missing();
        self.take_actions()
    }

    /// The process runs. Answers the start that its session belongs to, or `None` if it is not to be served.
    pub(super) fn started(&mut self, name: &ModuleName) -> (Option<u64>, Vec<Action>) {
        let shutting_down = self.deadline.is_some();
        let Some(slot) = self.slot(name).filter(|slot| slot.state == State::Starting) else {
            return (None, Vec::new());
        };
        slot.generation = slot.generation.wrapping_add(1);
        let generation = slot.generation;
        if shutting_down {
            slot.state = State::Ending { fault: Fault::Left, stop_at: None };
            self.actions.push(Action::Stop(name.clone()));
            return (None, self.take_actions());
        }
        slot.state = State::Connecting;
        (Some(generation), self.take_actions())
    }

    /// The launcher could not start it.
    pub(super) fn start_failed(&mut self, now: Instant, name: &ModuleName, error: &str) -> Vec<Action> {
        if self.slot(name).is_some_and(|slot| slot.state == State::Starting) {
            self.fail(now, name, &format!("not started: {error}"), Remedy::Restart);
        }
        self.finish_if_all_ended();
        self.take_actions()
    }

    /// The handshake is done.
    pub(super) fn opened(&mut self, now: Instant, name: &ModuleName, generation: u64) -> Vec<Action> {
        let slot = self.slot(name);
        if let Some(slot) = slot.filter(|slot| slot.is(generation) && slot.state == State::Connecting) {
            slot.state = State::Running;
            slot.running_since = Some(now);
            slot.trouble = None;
            let loaded =
                EventPayload::ModuleLoaded { name: slot.name.to_string(), version: slot.version.clone() };
            self.actions.extend([Action::Say(name.clone(), "connected".to_owned()), Action::Publish(loaded)]);
            self.start_what_can();
        }
        self.take_actions()
    }

    /// The session is over. What remains is that the process ends, by itself or not.
    pub(super) fn session_ended(
        &mut self,
        now: Instant,
        name: &ModuleName,
        generation: u64,
        end: &SessionEnd,
    ) -> Vec<Action> {
        let shutting_down = self.deadline.is_some();
        let Some(slot) = self.slot(name).filter(|slot| slot.is(generation) && slot.has_session()) else {
            return Vec::new();
        };
        let fault = match end {
            SessionEnd::Closed | SessionEnd::Io(_) => Fault::Left,
            SessionEnd::NoHandshake
            | SessionEnd::Violation(_)
            | SessionEnd::Unread
            | SessionEnd::HostFault(_) => Fault::Broke(end.to_string()),
            SessionEnd::Refused(_) => Fault::Refused(end.to_string()),
        };
        let patient = fault == Fault::Left;
        let stop_at = (patient && !shutting_down).then(|| now.checked_add(EXIT_PATIENCE)).flatten();
        slot.state = State::Ending { fault, stop_at };
        if !patient {
            self.actions.push(Action::Say(name.clone(), format!("session ended: {end}")));
            self.actions.push(Action::Stop(name.clone()));
        }
        self.take_actions()
    }

    /// The process is gone.
    pub(super) fn exited(&mut self, now: Instant, name: &ModuleName, end: &End) -> Vec<Action> {
        let Some(slot) = self.slot(name).filter(|slot| slot.has_process()) else { return Vec::new() };
        let (reason, remedy) = judge_end(&slot.state, end);
        match reason.filter(|_| self.deadline.is_none()) {
            None => self.unload(name, end),
            Some(reason) => {
                // It may quote the module itself, and those who hear it may print it.
                let text = cofferdam_control::shorten(&escaped(&reason));
                let crashed = EventPayload::ModuleCrashed { name: name.to_string(), reason: text };
                self.actions.push(Action::Publish(crashed));
                self.fail(now, name, &format!("crashed: {reason}"), remedy);
            }
        }
        self.finish_if_all_ended();
        self.take_actions()
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Action> {
        for slot in &mut self.slots {
            match &mut slot.state {
                State::Pausing { until } if *until <= now => slot.state = State::Waiting,
                State::Ending { stop_at, .. } if stop_at.is_some_and(|at| at <= now) => {
                    *stop_at = None;
                    self.actions.push(Action::Stop(slot.name.clone()));
                }
                State::Waiting
                | State::Starting
                | State::Connecting
                | State::Running
                | State::Ending { .. }
                | State::Pausing { .. }
                | State::Ended => {}
            }
        }
        self.start_what_can();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.give_no_more_grace();
        }
        self.take_actions()
    }

    /// The node shuts down: nothing is started any more, and what runs is asked to end.
    pub(super) fn shut_down(&mut self, now: Instant, grace_ms: u64) -> Vec<Action> {
        if self.deadline.is_none() {
            self.deadline = Some(now.checked_add(Duration::from_millis(grace_ms)).unwrap_or(now));
            for slot in &mut self.slots {
                if let State::Ending { stop_at, .. } = &mut slot.state {
                    // It has the whole grace period, like all the others.
                    *stop_at = None;
                }
            }
            self.actions.push(Action::Farewell { grace_ms });
            self.finish_if_all_ended();
        }
        self.take_actions()
    }

    /// When [`Lifecycle::tick`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let slots = self.slots.iter().filter_map(|slot| match slot.state {
            State::Pausing { until } if self.deadline.is_none() => Some(until),
            State::Ending { stop_at, .. } => stop_at,
            State::Waiting
            | State::Starting
            | State::Connecting
            | State::Running
            | State::Pausing { .. }
            | State::Ended => None,
        });
        slots.chain(self.deadline).min()
    }

    /// What each module is doing, in the words of the protocol.
    pub(super) fn states(&self) -> impl Iterator<Item = (&ModuleName, ModuleState)> {
        self.slots.iter().map(|slot| (&slot.name, slot.in_words()))
    }

    /// The modules that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &ModuleName> {
        self.slots.iter().filter(|slot| slot.state == State::Running).map(|slot| &slot.name)
    }

    fn slot(&mut self, name: &ModuleName) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.name == *name)
    }

    fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// It ended as it should.
    fn unload(&mut self, name: &ModuleName, end: &End) {
        let Some(slot) = self.slot(name) else { return };
        let served = slot.running_since.take().is_some();
        slot.state = State::Ended;
        // The launcher has logged the end itself.
        slot.trouble = Some(end.to_string());
        self.actions.push(Action::Publish(EventPayload::ModuleUnloaded { name: name.to_string() }));
        if !served {
            self.say_who_is_held_up(name);
        }
    }

    /// It does not run and should: starts it again after a pause, where that is allowed and can help.
    fn fail(&mut self, now: Instant, name: &ModuleName, what: &str, remedy: Remedy) {
        let may_restart = match (self.restart, remedy, self.deadline) {
            (Restart::OnFailure, Remedy::Restart, None) => true,
            (Restart::OnFailure | Restart::Never, Remedy::Restart | Remedy::Correction, _) => false,
        };
        let Some(slot) = self.slot(name) else { return };
        let pause = slot.next_pause(now);
        let served = slot.running_since.take().is_some();
        slot.trouble = Some(what.to_owned());
        let line = match now.checked_add(pause).filter(|_| may_restart) {
            Some(until) => {
                slot.state = State::Pausing { until };
                format!("{what}; starting it again in {} s", pause.as_secs())
            }
            None => {
                slot.state = State::Ended;
                format!("{what}; it is not started again")
            }
        };
        self.actions.push(Action::Say(name.clone(), line));
        if !served {
            self.say_who_is_held_up(name);
        }
    }

    fn finish_if_all_ended(&mut self) {
        if self.deadline.is_some() && !self.slots.iter().any(Slot::has_process) {
            self.actions.push(Action::Finish);
        }
    }

    fn give_no_more_grace(&mut self) {
        for slot in self.slots.iter().filter(|slot| slot.has_process()) {
            let line = "did not end within the grace period: it is killed";
            self.actions.push(Action::Say(slot.name.clone(), line.to_owned()));
        }
        self.actions.push(Action::Finish);
    }
}

/// What could make a module run that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    Restart,
    /// Somebody has to change the module or its configuration.
    Correction,
}

/// Why it is a crash, if it is one, and what could help.
fn judge_end(state: &State, end: &End) -> (Option<String>, Remedy) {
    let with_end = |reason: &String| match end {
        End::Stopped => reason.clone(),
        End::Exited { .. } | End::Signaled { .. } | End::OutOfMemory { .. } | End::Forbidden { .. } => {
            format!("{reason}; {end}")
        }
    };
    match state {
        State::Ending { fault: Fault::Refused(reason), .. } => (Some(with_end(reason)), Remedy::Correction),
        State::Ending { fault: Fault::Broke(reason), .. } => (Some(with_end(reason)), Remedy::Restart),
        // Its patience is used up: the core had it stopped.
        State::Ending { fault: Fault::Left, stop_at: None } if *end == End::Stopped => {
            (Some("it closed its connection and did not end".to_owned()), Remedy::Restart)
        }
        State::Ending { fault: Fault::Left, .. }
        | State::Waiting
        | State::Starting
        | State::Connecting
        | State::Running
        | State::Pausing { .. }
        | State::Ended => ((!end.is_clean()).then(|| end.to_string()), Remedy::Restart),
    }
}

#[cfg(test)]
mod tests;
