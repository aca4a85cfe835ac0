//! The operator's tool, and the host core. It never confines anything: that is the launcher's part.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cofferdam_cli::run(std::env::args_os())
}
