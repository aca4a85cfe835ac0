//! A module that takes as much as it can, and does its worst to others. `MODULE_CONFIG_ACT` says of what and how.
//! tests/limits.rs and benches/neighbours.rs measure from outside what comes of it; what it says of itself is never
//! more than a hint.

mod machine;
mod metronome;
mod quotas;
mod turns;
mod worst;

use std::process::ExitCode;
use std::time::Duration;

use cofferdam_sdk::{Args, ModuleIntegration, SdkError};

fn main() -> ExitCode {
    let act = std::env::var("MODULE_CONFIG_ACT").unwrap_or_default();
    let ended = match act.as_str() {
        "memory" => machine::memory(),
        "cache" => machine::cache(),
        "buffers" => machine::buffers(),
        "processor" => machine::processor(),
        "tasks" => machine::tasks(),
        "descriptors" => machine::descriptors(),
        "file" => machine::file(),
        "disk" => machine::disk(),
        "names" => machine::names(),
        "borrowed" => run(quotas::borrowed()),
        "output" => machine::output(),
        "database-bytes" => run(quotas::database_bytes()),
        "database-keys" => run(quotas::database_keys()),
        "file-bytes" => run(quotas::file_bytes()),
        "file-count" => run(quotas::file_count()),
        "metronome" => run(metronome::calls()),
        other => worst::does(other),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How an act ends that cannot go on.
type Ended = Result<(), Box<dyn std::error::Error>>;

fn run(act: impl Future<Output = Ended>) -> Ended {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(act)
}

async fn connect() -> Result<ModuleIntegration, SdkError> {
    let args = Args::parse();
    let name = args.module_id.unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    ModuleIntegration::connect(args.socket_path, name.clone(), name, version).await
}

/// A number from the settings.
fn setting(name: &str) -> Result<usize, String> {
    let text = std::env::var(format!("MODULE_CONFIG_{name}")).unwrap_or_default();
    text.parse().map_err(|_| format!("the setting {name} is {text:?}: a number is wanted"))
}

/// Says so, and keeps what it has until it is killed.
fn full(of: impl std::fmt::Display) -> ! {
    println!("full: {of}");
    rest()
}

fn rest() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
