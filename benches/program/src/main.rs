//! What the benchmarks launch. It tells on standard output when its main began, in nanoseconds of the monotonic
//! clock, and then does what `MODULE_CONFIG_ACT` says. It never does anything before that first line.

use std::process::ExitCode;

use cofferdam_sdk::{Args, ModuleIntegration, SdkError};
use nix::time::{ClockId, clock_gettime};

/// Round trips before those that count: caches, the allocator and the core's buckets settle.
const WARM_UP: usize = 200;

fn main() -> ExitCode {
    let began = now_ns();
    println!("main {began}");
    match std::env::var("MODULE_CONFIG_ACT").as_deref() {
        Ok("call") => run(first_call()),
        Ok("calls") => run(calls()),
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
    eprintln!("{error}");
    ExitCode::FAILURE
}

async fn connect() -> Result<ModuleIntegration, SdkError> {
    let args = Args::parse();
    let name = args.module_id.unwrap_or_default();
    ModuleIntegration::connect(args.socket_path, name.clone(), name, env!("CARGO_PKG_VERSION").to_owned())
        .await
}

/// The whole of a module's start, up to its first answer.
async fn first_call() -> Result<(), SdkError> {
    let integration = connect().await?;
    integration.node_api().get_block_height().await?;
    println!("answered {}", now_ns());
    Ok(())
}

/// One small call after the other, as many as `MODULE_CONFIG_COUNT` says, each timed.
async fn calls() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    let count = std::env::var("MODULE_CONFIG_COUNT").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    for _ in 0..WARM_UP {
        node.get_block_height().await?;
    }
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        let before = now_ns();
        node.get_block_height().await?;
        times.push(now_ns() - before);
    }
    let text: Vec<_> = times.iter().map(i64::to_string).collect();
    println!("times {}", text.join(" "));
    Ok(())
}
