//! The launcher, with a policy of the tests' own: that which ships, with the command line of a program that nobody here
//! wrote and, if the test says so, what such a program cannot start without. It changes nothing else of the policy, and
//! nothing of any layer.
//!
//! `checkers-launcher --config FILE`; beside the config lies `checker.toml`, which says what is changed.

#![forbid(unsafe_code)]

mod policy;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use cofferdam_launcher::{Options, run_with, with_causes};

use policy::Changes;

/// Beside the config.
const CHANGES: &str = "checker.toml";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("checkers-launcher: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [option, config] = arguments.as_slice() else { bail!("usage: checkers-launcher --config FILE") };
    if option != "--config" {
        bail!("usage: checkers-launcher --config FILE");
    }
    let config = PathBuf::from(config);
    let path = config.with_file_name(CHANGES);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let changes: Changes = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let tables = changes.tables()?;
    let own = std::env::current_exe().context("find the own program")?;
    let options = Options { config, core_program: own.with_file_name("cofferdam") };
    run_with(&options, &tables).map_err(|error| anyhow!(with_causes(&error)))
}
