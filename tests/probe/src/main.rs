//! A module for tests: says what it was started with, then does what `MODULE_CONFIG_ACT` tells it. It never
//! looks at what it did not get from the launcher.

mod calls;
mod garbage;
mod listen;
mod obey;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::time::Duration;

use cofferdam_sdk::{Args, EventPayload, ModuleIntegration, ModuleMessage, SdkError};

/// Descriptors up to this number are looked at; the limit of a module is 256.
const HIGHEST: i32 = 200;

fn main() -> ExitCode {
    println!("descriptors {:?}", open_descriptors());
    println!("arguments {:?}", std::env::args().collect::<Vec<_>>());
    println!("environment {:?}", std::env::vars().collect::<Vec<_>>());
    println!("directory {:?}", std::env::current_dir().map_err(|error| error.kind()));
    match std::env::var("MODULE_CONFIG_ACT").unwrap_or_default().as_str() {
        "sleep" => sleep(),
        "exit" => ExitCode::from(7),
        "abort" => std::process::abort(),
        "flood" => flood(),
        "lock" => {
            calls::lock();
            run(serve(Stop::Obey))
        }
        "call-for-ever" => {
            calls::for_ever();
            run(serve(Stop::Obey))
        }
        "ignore-shutdown" => run(serve(Stop::Ignore)),
        "events" => run(listen::to_events(listen::LIFECYCLE)),
        "chain" => run(listen::to_events(listen::CHAIN)),
        "transaction" => run(listen::ask_for_the_first_transaction()),
        "obey" => run(obey::callers()),
        "garbage" => garbage::instead_of_a_handshake(),
        "garbage-later" => run(garbage::after_the_handshake()),
        _ => run(serve(Stop::Obey)),
    }
}

/// The runtime opens descriptors of its own, so it starts after the report.
fn run(act: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(act),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The kernel hands out the lowest free number: what it skips up to [`HIGHEST`] was open before.
fn open_descriptors() -> Vec<i32> {
    let mut opened = Vec::new();
    while opened.last().is_none_or(|file: &File| file.as_raw_fd() < HIGHEST) {
        match File::open("/data") {
            Ok(file) => opened.push(file),
            Err(error) => {
                eprintln!("open /data: {error}");
                break;
            }
        }
    }
    let numbers: Vec<i32> = opened.iter().map(AsRawFd::as_raw_fd).collect();
    (0..HIGHEST).filter(|number| !numbers.contains(number)).collect()
}

fn sleep() -> ExitCode {
    println!("asleep");
    std::thread::sleep(Duration::from_secs(3600));
    ExitCode::SUCCESS
}

/// Lines as fast as they can be written, with a terminal escape in each.
fn flood() -> ExitCode {
    for number in 0_u64.. {
        println!("flood \u{1b}[2J{number}");
    }
    ExitCode::SUCCESS
}

/// Whether it ends when it is told to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Obey,
    Ignore,
}

async fn connect() -> Result<ModuleIntegration, ExitCode> {
    let args = Args::parse();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    // It may be installed under another name too, to be two.
    let name = args.module_id.unwrap_or_else(|| "probe".to_owned());
    let connected = ModuleIntegration::connect(args.socket_path, name.clone(), name, version).await;
    connected.inspect(|_| println!("connected")).map_err(failed)
}

fn failed(error: SdkError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

async fn serve(stop: Stop) -> ExitCode {
    let integration = match connect().await {
        Ok(integration) => integration,
        Err(code) => return code,
    };
    let mut events = integration.event_receiver();
    while let Some(message) = events.recv().await {
        if let ModuleMessage::Event(event) = message
            && matches!(event.payload, EventPayload::NodeShutdown { .. })
            && stop == Stop::Obey
        {
            println!("goodbye");
            return ExitCode::SUCCESS;
        }
    }
    // The core has gone, or the module was told to stop and does not want to.
    wait().await
}

async fn wait() -> ExitCode {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    ExitCode::SUCCESS
}
