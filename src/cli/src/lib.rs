//! The operator's tool: run, check, audit; and, started by the launcher, the core itself.
//!
//! It explains and it starts the launcher. It never confines or decides anything: what `check` and
//! `audit` show is derived by the code that the launcher uses. Only `grant` changes a file: the operator's lock file, and
//! only when told yes.

#![forbid(unsafe_code)]

mod admission;
mod answer;
mod arguments;
mod audit;
mod audit_log;
mod calls;
mod catalog;
mod check;
mod diff;
mod doctor;
mod events;
mod facts;
mod grant;
mod launch;
mod learn;
mod prerequisites;
mod program;
mod verify;
mod why;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use answer::Answer;
use arguments::{Arguments, Command};

pub use audit::{Subject, page};

/// Does what the command line says. A wrong command line ends the process with status 2.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = Arguments::parse_from(arguments).command;
    // Status 1 says that more is allowed, or less is needed; an error must not.
    let says_something = matches!(command, Command::Diff(_) | Command::Grant(_) | Command::Learn(_));
    let on_error = if says_something { ExitCode::from(2) } else { ExitCode::FAILURE };
    let answered = match command {
        Command::Core => return core(),
        Command::Run(place) => launch::launch(&place.config),
        Command::Check(place) => check::check(&place.config),
        Command::Audit(wanted) => audit::audit(&wanted),
        Command::Config => Ok(Answer::good(cofferdam_config::REFERENCE.to_owned())),
        Command::Calls(form) => Ok(calls::calls(form.form())),
        Command::Events(asked) => events::events(&asked),
        Command::Why(asked) => why::why(&asked),
        Command::Diff(asked) => diff::diff(&asked),
        Command::Grant(asked) => grant::grant(&asked),
        Command::Learn(asked) => learn::learn(&asked),
        Command::Doctor(asked) => doctor::doctor(&asked),
        Command::AuditLog(asked) => audit_log::audit_log(&asked),
    };
    match answered {
        Ok(answer) => print(&answer),
        Err(error) => {
            eprintln!("cofferdam: {error:#}");
            on_error
        }
    }
}

/// A reader that has seen enough (`cofferdam calls | head`) is no error.
fn print(answer: &Answer) -> ExitCode {
    let _closed = std::io::stdout().lock().write_all(answer.text.as_bytes());
    answer.outcome.into()
}

/// The error of a core was logged by the core: its standard error is the operator's log.
fn core() -> ExitCode {
    match cofferdam_host::run_core(Path::new(cofferdam_policy::profile::STATE_INSIDE)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_logged) => ExitCode::FAILURE,
    }
}
