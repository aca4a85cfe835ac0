//! The hostile example module: it tries to leave its sandbox in every way that is known, one technique a file, and
//! reports what each attempt met. It proves nothing by itself: each attempt has a control, the same code
//! unconfined (or, for those on the core, the same call for what is its own), and only a control that succeeds makes
//! a refusal mean something.
//!
//!     escape-artist --module-id .. --socket-path .. --data-dir ..   as a module: all attempts, see `confined`
//!     escape-artist --unconfined [--attempt NAME]                   the controls, as root, see `unconfined`
//!     escape-artist --list [--without LAYER,..]                     name, group, expected, layer, what it tries
//!
//! It never harms the machine, confined or not: what it would do to it on success is done in namespaces of its
//! own, is bounded, or is not tried.

mod attempt;
mod attempts;
mod confined;
mod context;
mod error;
mod inherited;
mod needs;
mod raw;
mod report;
mod steps;
mod unconfined;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use attempt::Met;
use error::Error;
use inherited::Inherited;
use report::Report;

fn main() -> ExitCode {
    // Before anything else of this program opens a descriptor.
    let inherited = Inherited::scan();
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["--list"] => list(&[]),
        ["--list", "--without", missing] => list(&context::layers(missing)),
        ["--unconfined"] => unconfined::run_all(),
        ["--unconfined", "--attempt", name] => unconfined::run_one(name),
        // What this program starts itself as, and nobody else.
        ["--control", name, data_dir] => unconfined::control(name, Path::new(data_dir), inherited),
        ["--victim"] => unconfined::be_victim(),
        ["--executed", name, report] => report_execution(name, Path::new(report)),
        _ => confined::run(inherited),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("escape-artist: {error}");
        ExitCode::FAILURE
    })
}

/// Prints the table, separated by tabs: name, group, what it should meet when confined where these layers are missing,
/// which layer answers, what it tries.
fn list(missing: &[String]) -> Result<ExitCode, Error> {
    let mut out = io::stdout().lock();
    for (group, attempt) in attempts::all() {
        let (expected, layer) = (attempt.expected(missing), attempt.layer);
        writeln!(out, "{}\t{group}\t{expected}\t{layer}\t{}", attempt.name, attempt.tries)
            .map_err(error::while_doing("write to standard output"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All that a program does that an attempt managed to execute.
fn report_execution(name: &str, path: &Path) -> Result<ExitCode, Error> {
    let met = Met::Succeeded("the program ran".to_owned());
    Report::open(path).and_then(|mut report| report.finish(name, &met)).map_err(error::on(path))?;
    Ok(ExitCode::SUCCESS)
}
