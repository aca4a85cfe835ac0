//! The launcher: the root of trust. `cofferdam run` executes it, and so do the commands of `cofferdam` that must
//! be done by doing. It never prints more than an error.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cofferdam_launcher::{
    DoctorOptions, ExamineOptions, LearnOptions, Options, doctor, examine, learn, run, with_causes,
};

const USAGE: &str = "usage: cofferdam-launcher --config FILE\n       \
    cofferdam-launcher doctor [--config FILE] [-- ARGUMENT...]\n       \
    cofferdam-launcher examine --config FILE MODULE [-- ARGUMENT...]\n       \
    cofferdam-launcher learn --config FILE MODULE [SECONDS] [-- ARGUMENT...]";

/// What is wanted of it.
enum Wanted {
    Run(Options),
    Doctor(DoctorOptions),
    Examine(ExamineOptions),
    Learn(LearnOptions),
}

/// Of `learn`, whose status 1 says that something is proposed.
const NOTHING_LEARNT: u8 = 2;

fn main() -> ExitCode {
    let wanted = wanted();
    let on_error = if matches!(wanted, Ok(Wanted::Learn(_))) {
        ExitCode::from(NOTHING_LEARNT)
    } else {
        ExitCode::FAILURE
    };
    let done = wanted.and_then(|wanted| {
        let done = match wanted {
            Wanted::Run(options) => run(&options),
            Wanted::Doctor(options) => doctor(&options).map(|never| match never {}),
            Wanted::Examine(options) => examine(&options).map(|never| match never {}),
            Wanted::Learn(options) => learn(&options).map(|never| match never {}),
        };
        done.map_err(|error| with_causes(&error))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("cofferdam-launcher: {text}");
            on_error
        }
    }
}

fn wanted() -> Result<Wanted, String> {
    let own = std::env::current_exe().map_err(|error| format!("find the own program: {error}"))?;
    let tool = own.with_file_name("cofferdam");
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // What follows `--` is for the tool that reads what was found.
    let told = arguments.iter().position(|argument| argument == "--");
    let told = told.map(|at| arguments.split_off(at).split_off(1)).unwrap_or_default();
    let words: Vec<Option<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    let config = |at: usize| arguments.get(at).map(PathBuf::from);
    match (words.as_slice(), config(1), config(2)) {
        ([Some("--config"), _], Some(config), _) if told.is_empty() => {
            Ok(Wanted::Run(Options { config, core_program: tool }))
        }
        ([Some("doctor"), Some("--config"), _], _, config @ Some(_)) => {
            Ok(Wanted::Doctor(DoctorOptions { config, tool, arguments: told }))
        }
        ([Some("examine"), Some("--config"), _, Some(module)], _, Some(config)) => {
            let module = (*module).to_owned();
            Ok(Wanted::Examine(ExamineOptions { config, module, tool, arguments: told }))
        }
        ([Some("learn"), Some("--config"), _, Some(module), time @ ..], _, Some(config))
            if time.len() <= 1 =>
        {
            let lasts = match time.first() {
                Some(text) => Some(text.and_then(seconds).ok_or(USAGE)?),
                None => None,
            };
            let module = (*module).to_owned();
            Ok(Wanted::Learn(LearnOptions { config, module, lasts, tool, arguments: told }))
        }
        ([Some("doctor")], ..) => Ok(Wanted::Doctor(DoctorOptions { config: None, tool, arguments: told })),
        _ => Err(USAGE.to_owned()),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}
