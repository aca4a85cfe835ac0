//! The launcher: the root of trust. `cofferdam run` executes it.

use std::path::PathBuf;
use std::process::ExitCode;

use cofferdam_launcher::{Options, run, with_causes};

const USAGE: &str = "usage: cofferdam-launcher --config FILE";

fn main() -> ExitCode {
    match options().and_then(|options| run(&options).map_err(|error| with_causes(&error))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("cofferdam-launcher: {text}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(flag), Some(config), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(USAGE.to_owned());
    };
    if flag != "--config" {
        return Err(USAGE.to_owned());
    }
    let own = std::env::current_exe().map_err(|error| format!("find the own program: {error}"))?;
    Ok(Options { config: PathBuf::from(config), core_program: own.with_file_name("cofferdam") })
}
