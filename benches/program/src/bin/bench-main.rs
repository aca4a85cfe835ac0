//! The smallest program that can be timed: tells when its main began, in nanoseconds of the monotonic clock. It never
//! does anything else, so that what is measured is the launch and not the program.

use nix::time::{ClockId, clock_gettime};

fn main() {
    let began = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec());
    println!("main {began}");
}
