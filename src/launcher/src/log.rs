//! The operator's log: one line a record on standard error. What subjects write is hostile: escaped, cut and
//! rate-limited before it reaches a terminal.

use std::io::{Stderr, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cofferdam_control::{CORE_LOG_BURST, CORE_LOG_PER_SECOND, is_deceptive};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::with_causes;

/// The longest line shown of what a subject writes, in bytes; the rest of the line is dropped.
const MAX_LINE_BYTES: usize = 1024;
/// What is read at most from one pipe before the next descriptor has its turn.
const READ_BYTES: usize = 16 * 1024;

/// Lines that nobody took: the terminal is stopped, or who reads the log is.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Writes one line. Nobody is waited for: where the line cannot be taken now, it is counted and lost.
pub(crate) fn line(subject: &str, text: &str) {
    let stderr = std::io::stderr();
    if !is_writable(&stderr) {
        LOST.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let lost = LOST.swap(0, Ordering::Relaxed);
    if lost > 0 {
        write(&stderr, "launcher", &format!("({lost} lines were lost: nobody read this log)"));
    }
    write(&stderr, subject, text);
}

/// Up to PIPE_BUF bytes a pipe takes whole, where it says that it takes any. pipe(7)
fn write(mut stderr: &Stderr, subject: &str, text: &str) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // What names files says what their authors named them. What a subject wrote was escaped already, and stays as it is.
    let text = escape(text);
    let mut record = format!("{hour:02}:{minute:02}:{second:02}Z {subject:<14} {text}");
    let mut end = record.len().min(libc::PIPE_BUF - 1);
    while !record.is_char_boundary(end) {
        end -= 1;
    }
    record.truncate(end);
    record.push('\n');
    let _nobody_reads = stderr.write_all(record.as_bytes());
}

fn is_writable(stderr: &Stderr) -> bool {
    let mut descriptor = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    matches!(poll(&mut descriptor, PollTimeout::ZERO), Ok(1))
}

/// How many bytes of output count as much as a line.
const BYTES_A_UNIT: usize = 1024;

/// Writes an error and its causes in one line.
pub(crate) fn error(subject: &str, error: &dyn std::error::Error) {
    line(subject, &format!("error: {}", with_causes(error)));
}

/// How many lines a subject may write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineRate {
    /// At once.
    pub(crate) burst: u32,
    /// In the long run, a second.
    pub(crate) per_second: u32,
}

/// What a module may print: enough for a panic with its backtrace, too little to drown the operator's log.
pub(crate) const MODULE_RATE: LineRate = LineRate { burst: 100, per_second: 20 };
/// The core prints a line for each event and each module's log record, which it limits itself.
pub(crate) const CORE_RATE: LineRate = LineRate { burst: CORE_LOG_BURST, per_second: CORE_LOG_PER_SECOND };

/// A bucket that fills with time and empties with use.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: LineRate,
    level: u32,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(rate: LineRate, now: Instant) -> Self {
        Self { rate, level: rate.burst, filled: now }
    }

    /// Takes one from the bucket, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Taken {
        self.fill(now);
        match self.level.checked_sub(1) {
            Some(left) => {
                self.level = left;
                Taken::Yes
            }
            None => Taken::Empty,
        }
    }

    /// Takes as many as there are, up to `count`.
    fn charge(&mut self, count: u32) {
        self.level = self.level.saturating_sub(count);
    }

    /// Whether there was none to take when it was filled last.
    pub(crate) fn is_empty(&self) -> bool {
        self.level == 0
    }

    /// Lets it fill; after which pause there is one, if there is none now.
    pub(crate) fn pause_from(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        self.is_empty().then(|| self.pause())
    }

    /// How long until there is one.
    fn pause(&self) -> Duration {
        Duration::from_secs(1) / self.rate.per_second.max(1)
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled);
        let pause = self.pause();
        let whole = elapsed.as_nanos() / pause.as_nanos().max(1);
        let added = u32::try_from(whole).unwrap_or(u32::MAX);
        if added > 0 {
            self.level = self.level.saturating_add(added).min(self.rate.burst);
            // What does not make a whole one is kept for the next time.
            self.filled = if self.level == self.rate.burst { now } else { self.filled + pause * added };
        }
    }
}

/// Whether there was one to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// There was.
    Yes,
    /// There was none.
    Empty,
}

/// One of a subject's output pipes, read line by line.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: OwnedFd,
    partial: Vec<u8>,
    /// The present line is over its length: what follows up to its end is dropped.
    overlong: bool,
    bucket: Bucket,
    dropped: u64,
    /// All lines that were not shown.
    lost: u64,
    open: bool,
}

impl Output {
    pub(crate) fn new(pipe: OwnedFd, rate: LineRate, now: Instant) -> Self {
        let bucket = Bucket::new(rate, now);
        Self { pipe, partial: Vec::new(), overlong: false, bucket, dropped: 0, lost: 0, open: true }
    }

    /// The pipe, while its other end may still be written to, and unless the subject has used up its allowance: then
    /// the pipe fills, and whoever writes to it waits.
    pub(crate) fn to_poll(&self) -> Option<BorrowedFd<'_>> {
        (self.open && !self.bucket.is_empty()).then(|| self.pipe.as_fd())
    }

    /// Lets the allowance grow with time; after which pause there is some, if there is none now.
    pub(crate) fn pause_from(&mut self, now: Instant) -> Option<Duration> {
        self.bucket.pause_from(now).filter(|_| self.open)
    }

    /// Reads what is there, up to a bound, and logs whole lines.
    pub(crate) fn read(&mut self, subject: &str, now: Instant) {
        let mut buffer = [0_u8; READ_BYTES];
        match nix::unistd::read(&self.pipe, &mut buffer) {
            Ok(0) => self.open = false,
            Ok(count) => {
                self.take(buffer.get(..count).unwrap_or_default(), subject, now);
                // Reading costs the launcher's time, whether or not there are lines to show.
                self.bucket.charge(1 + u32::try_from(count / BYTES_A_UNIT).unwrap_or(u32::MAX));
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.open = false,
        }
    }

    /// Reads what the subject left behind when it ended.
    pub(crate) fn drain(&mut self, subject: &str, now: Instant) {
        // A pipe holds 64 KiB by default: this many reads empty it.
        for _ in 0..8 {
            if self.open {
                self.read(subject, now);
            }
        }
        if !self.partial.is_empty() {
            self.end_line(subject, now);
        }
        if self.dropped > 0 {
            line(subject, &format!("({} lines not shown: it writes too fast)", self.dropped));
        }
        self.open = false;
    }

    /// How many lines were not shown.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn take(&mut self, bytes: &[u8], subject: &str, now: Instant) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line(subject, now);
            } else if self.partial.len() < MAX_LINE_BYTES {
                self.partial.push(*byte);
            } else {
                self.overlong = true;
            }
        }
    }

    fn end_line(&mut self, subject: &str, now: Instant) {
        if self.bucket.take(now) == Taken::Yes {
            if self.dropped > 0 {
                line(subject, &format!("({} lines not shown: it writes too fast)", self.dropped));
                self.dropped = 0;
            }
            let cut = if self.overlong { " (cut)" } else { "" };
            line(subject, &format!("{}{cut}", escape(&String::from_utf8_lossy(&self.partial))));
        } else {
            self.dropped += 1;
            self.lost += 1;
        }
        self.partial.clear();
        self.overlong = false;
    }
}

/// Shows control characters and those that change the direction of text as escapes: a terminal obeys none.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_deceptive(character) && character != '\t' {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_escape_is_shown_and_not_obeyed() {
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("safe \u{202e}txt.exe"), "safe \\u{202e}txt.exe");
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(LineRate { burst: 3, per_second: 10 }, start);
        let burst = (0..5).filter(|_| bucket.take(start) == Taken::Yes).count();
        assert_eq!(burst, 3);
        let later = start + Duration::from_millis(250);
        let rate = (0..5).filter(|_| bucket.take(later) == Taken::Yes).count();
        assert_eq!(rate, 2);
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_control_character(text in "\\PC{0,40}[\\x00-\\x1f\\x7f]{0,5}\\PC{0,40}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.chars().any(|c| c.is_control() && c != '\t'));
            prop_assert_eq!(escape(&escaped), escaped, "twice is once");
        }

        #[test]
        fn a_bucket_never_gives_more_than_burst_and_rate(steps in prop::collection::vec(0_u64..300, 1..100)) {
            let start = Instant::now();
            let mut bucket = Bucket::new(LineRate { burst: 5, per_second: 20 }, start);
            let mut now = start;
            let mut taken = 0_u128;
            for step in steps {
                now += Duration::from_millis(step);
                taken += u128::from(bucket.take(now) == Taken::Yes);
            }
            prop_assert!(taken <= 5 + (now - start).as_millis() / 50 + 1);
        }
    }
}
