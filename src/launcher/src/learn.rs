//! `cofferdam-launcher learn`: runs everything as `run` does, watches one module meanwhile, and hands what it saw to
//! `cofferdam learn`, which proposes.
//!
//! The watched module has the profile, the layers and the answers of every other run: nothing is allowed that is
//! refused else, and nothing is changed afterwards.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_manifest::ModuleName;
use cofferdam_policy::Tables;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::SignalFd;

use crate::doctor::{hand_over, line};
use crate::error::{Error, system};
use crate::host::close_on_exec_all;
use crate::run::{Options, run_watching, take_signals};
use crate::supervisor::watch::Watch;

/// What the operator chose on the command line.
#[derive(Debug, Clone)]
pub struct LearnOptions {
    /// The config.
    pub config: PathBuf,
    /// The module that is watched.
    pub module: String,
    /// How long; `None`: until a signal says stop.
    pub lasts: Option<Duration>,
    /// `cofferdam`, beside the launcher: the core, and the tool that is told what was seen.
    pub tool: PathBuf,
    /// What the tool is told besides.
    pub arguments: Vec<OsString>,
}

/// Runs everything until the time is over or a signal says stop, and becomes `cofferdam`, which reads what was seen
/// from its standard input.
///
/// # Errors
/// As [`crate::run`]; and when the module is none that runs here, or this kernel cannot let a reported call go on.
pub fn learn(options: &LearnOptions) -> Result<Infallible, Error> {
    close_on_exec_all()?;
    let signals = take_signals()?;
    let module = ModuleName::new(&options.module).map_err(|error| Error::Document(error.to_string()))?;
    let run = Options { config: options.config.clone(), core_program: options.tool.clone() };
    let watch = run_watching(&run, &Tables::builtin(), Some(Watch::new(module, options.lasts)), &signals)?
        .ok_or_else(|| Error::Document("nothing was watched".to_owned()))?;
    if watch.cannot_go_on() {
        let text = "this kernel cannot let a reported system call go on (SECCOMP_USER_NOTIF_FLAG_CONTINUE): \
                    boot Linux 5.5 or newer to watch a module";
        return Err(Error::Document(text.to_owned()));
    }
    let lines: Vec<String> = watch.facts(Instant::now()).iter().map(line).collect();
    release(signals)?;
    hand_over(&options.tool, &options.arguments, &lines)
}

/// The tool gets its signals as every program does; one that said stop once more is over with the run.
fn release(signals: SignalFd) -> Result<(), Error> {
    while let Ok(Some(_)) = signals.read_signal() {}
    drop(signals);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(system("unblock signals"))
}
