//! What the benchmarks launch. It tells on standard output when its main began, in nanoseconds of the monotonic
//! clock, and then does what `MODULE_CONFIG_ACT` says. It never does anything before that first line.

mod calls;
mod events;
mod nuisance;

use std::process::ExitCode;

use cofferdam_sdk::{Args, ModuleIntegration, SdkError};
use nix::time::{ClockId, clock_gettime};

fn main() -> ExitCode {
    let began = now_ns();
    println!("main {began}");
    // The benchmarks read one stream.
    std::panic::set_hook(Box::new(|panic| println!("error {panic}")));
    match std::env::var("MODULE_CONFIG_ACT").as_deref() {
        Ok("call") => run(calls::first()),
        Ok("calls") => run(calls::one_by_one()),
        Ok("in-flight") => run(calls::in_flight()),
        Ok("blocks") => run(calls::blocks()),
        Ok("publish") => run(events::publish()),
        Ok("hear") => run(events::hear()),
        Ok("flood") => run(nuisance::flood()),
        Ok("unread") => run(nuisance::unread()),
        Ok("stall") => run(nuisance::stall()),
        _ => ExitCode::SUCCESS,
    }
}

fn now_ns() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

fn run(act: impl Future<Output = Result<(), SdkError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map(|runtime| runtime.block_on(act)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error),
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    println!("error {error}");
    ExitCode::FAILURE
}

async fn connect() -> Result<ModuleIntegration, SdkError> {
    let args = Args::parse();
    let name = args.module_id.unwrap_or_default();
    ModuleIntegration::connect(args.socket_path, name.clone(), name, env!("CARGO_PKG_VERSION").to_owned())
        .await
}

/// A number from the settings.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How often to do what is measured.
fn count() -> usize {
    setting("MODULE_CONFIG_COUNT", 1000)
}

fn print_times(times: &[i64]) {
    let text: Vec<_> = times.iter().map(i64::to_string).collect();
    println!("times {}", text.join(" "));
}
