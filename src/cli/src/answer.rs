//! What a command answers: text for standard output and an exit status. It never prints.

use std::process::ExitCode;

/// What a command has to say.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For standard output, whole lines.
    pub(crate) text: String,
    /// For the shell.
    pub(crate) outcome: Outcome,
}

/// Whether everything is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status 0.
    Good,
    /// Status 1: the text says what is missing.
    Wanting,
}

impl Answer {
    pub(crate) fn good(text: String) -> Self {
        Self { text, outcome: Outcome::Good }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => Self::SUCCESS,
            Outcome::Wanting => Self::FAILURE,
        }
    }
}
