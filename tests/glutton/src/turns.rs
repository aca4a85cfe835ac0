//! When to do its worst and when to be quiet: by turns, so that who measures beside it can compare the one with the
//! other within one run. The file `/data/turns` says when they begin and how long they are; until it is there, all is
//! quiet.

use std::sync::OnceLock;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// By whoever measures, who has the directory too.
const FILE: &str = "/data/turns";

/// How often a quiet thread looks whether it is its turn.
const LOOK: Duration = Duration::from_millis(5);

/// Nanoseconds of the monotonic clock.
pub(crate) fn now_ns() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

#[derive(Debug, Clone, Copy)]
struct Turns {
    begin_ns: i64,
    /// 0: one turn without end.
    length_ns: i64,
}

impl Turns {
    fn read() -> Option<Self> {
        let text = std::fs::read_to_string(FILE).ok()?;
        let (begin, length) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { begin_ns: begin.parse().ok()?, length_ns: length.parse().ok()? })
    }

    fn are_on(self, now: i64) -> bool {
        let since = now - self.begin_ns;
        since >= 0 && since.checked_div(self.length_ns).is_none_or(|turn| turn % 2 == 0)
    }
}

static TURNS: OnceLock<Turns> = OnceLock::new();

/// Whether it is time to do its worst.
pub(crate) fn is_on() -> bool {
    let turns = TURNS.get().copied().or_else(|| Turns::read().map(|turns| *TURNS.get_or_init(|| turns)));
    turns.is_some_and(|turns| turns.are_on(now_ns()))
}

/// Waits for its turn.
pub(crate) fn wait() {
    while !is_on() {
        std::thread::sleep(LOOK);
    }
}

/// As [`wait`], for a task.
pub(crate) async fn wait_async() {
    while !is_on() {
        tokio::time::sleep(LOOK).await;
    }
}
