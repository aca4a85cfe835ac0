//! A module that takes as much as it can of one thing, which `MODULE_CONFIG_ACT` names, and keeps it. It never speaks to
//! the core; tests/limits.rs measures from outside what it gets.

use std::fs::File;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

/// Memory is taken in steps, so that who measures sees the last one before the limit.
const STEP_BYTES: usize = 512 * 1024;
const STEP_PAUSE: Duration = Duration::from_millis(1);
const PAGE_BYTES: usize = 4096;
/// More than any limit of a test.
const MOST: usize = 5000;

fn main() -> ExitCode {
    match std::env::var("MODULE_CONFIG_ACT").unwrap_or_default().as_str() {
        "memory" => memory(),
        "processor" => processor(),
        "tasks" => tasks(),
        "descriptors" => descriptors(),
        other => {
            eprintln!("act is {other:?}: one of memory, processor, tasks, descriptors is wanted");
            ExitCode::FAILURE
        }
    }
}

fn memory() -> ExitCode {
    let mut kept = Vec::new();
    for _ in 0..MOST {
        let mut step = vec![0_u8; STEP_BYTES];
        step.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
        kept.push(black_box(step));
        std::thread::sleep(STEP_PAUSE);
    }
    full(kept.len())
}

fn processor() -> ExitCode {
    println!("full");
    for _ in 0..2 {
        std::thread::spawn(spin);
    }
    spin()
}

fn spin() -> ExitCode {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

fn tasks() -> ExitCode {
    let start = || std::thread::Builder::new().stack_size(64 * 1024).spawn(rest);
    let kept: Vec<_> = (0..MOST).map_while(|_| start().ok()).collect();
    full(kept.len())
}

fn descriptors() -> ExitCode {
    let kept: Vec<_> = (0..MOST).map_while(|_| File::open("/data").ok()).collect();
    full(kept.len())
}

/// Keeps what it has until it is killed.
fn full(count: usize) -> ExitCode {
    println!("full: {count}");
    rest();
    ExitCode::SUCCESS
}

fn rest() {
    std::thread::sleep(Duration::from_secs(3600));
}
