//! One module of the roster, and where it is on its way.

use std::time::Duration;

use cofferdam_control::RosterEntry;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::modules::ModuleState;
use tokio::time::Instant;

use super::{FIRST_PAUSE, HEALTHY_AFTER, LONGEST_PAUSE};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It is to run, but not before what it requires.
    Waiting,
    /// The launcher was asked to start it.
    Starting,
    /// It runs and has not said who it is.
    Connecting,
    /// It runs and serves.
    Running,
    /// Its session is over, its process may still be there.
    Ending { fault: Fault, stop_at: Option<Instant> },
    /// It is to be started again.
    Pausing { until: Instant },
    /// It is not started again.
    Ended,
}

/// What a module did that ended its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It closed its connection.
    Left,
    /// It broke the rules of the session; it may do better after a restart.
    Broke(String),
    /// It was refused for what it is; a restart changes nothing.
    Refused(String),
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: ModuleName,
    pub(super) version: String,
    pub(super) requires: Vec<ModuleName>,
    pub(super) state: State,
    /// Counts its starts; a session belongs to one of them.
    pub(super) generation: u64,
    pub(super) running_since: Option<Instant>,
    pub(super) pause: Duration,
    /// Why it does not run, for those who require it.
    pub(super) trouble: Option<String>,
}

impl Slot {
    pub(super) fn new(entry: RosterEntry) -> Self {
        Self {
            name: entry.name,
            version: entry.version,
            requires: entry.requires,
            state: State::Waiting,
            generation: 0,
            running_since: None,
            pause: FIRST_PAUSE,
            trouble: None,
        }
    }

    pub(super) fn is(&self, generation: u64) -> bool {
        self.generation == generation
    }

    pub(super) fn has_session(&self) -> bool {
        matches!(self.state, State::Connecting | State::Running)
    }

    /// What it is doing, as other modules are told.
    pub(super) fn in_words(&self) -> ModuleState {
        match self.state {
            State::Waiting | State::Starting | State::Connecting => ModuleState::Starting,
            State::Running => ModuleState::Running,
            State::Ending { .. } => ModuleState::Stopping,
            State::Pausing { .. } => ModuleState::Restarting,
            State::Ended => ModuleState::Stopped,
        }
    }

    /// Whether a process of it may exist.
    pub(super) fn has_process(&self) -> bool {
        match self.state {
            State::Starting | State::Connecting | State::Running | State::Ending { .. } => true,
            State::Waiting | State::Pausing { .. } | State::Ended => false,
        }
    }

    /// The pause before the next start; the one after that will be longer, unless it runs well in between.
    pub(super) fn next_pause(&mut self, now: Instant) -> Duration {
        let ran = self.running_since.map(|since| now.saturating_duration_since(since));
        if ran.is_some_and(|ran| ran >= HEALTHY_AFTER) {
            self.pause = FIRST_PAUSE;
        }
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause
    }
}
