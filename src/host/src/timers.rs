//! The timers and tasks of one session: each fires as an invocation, and ends with the session.
//!
//! The next tick follows from the schedule and never from when the last one was delivered, so that nothing drifts.
//! A module that is slow is not sent the ticks it missed: they are counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_control::is_deceptive;
use cofferdam_protocol::ApiError;
use cofferdam_protocol::modules::MAX_NAME_BYTES;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::session::outbox::{NotTaken, Outbox};

/// Timers and tasks of one module together.
pub(crate) const MAX_TIMERS: usize = 64;
/// The shortest interval.
const MIN_INTERVAL_MS: u64 = 100;
/// The longest interval and delay: 31 days.
const MAX_MS: u64 = 31 * 24 * 60 * 60 * 1000;

/// The timers of one session; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Timers {
    outbox: Arc<Outbox>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    running: HashMap<u64, Running>,
}

#[derive(Debug)]
struct Running {
    task: AbortHandle,
    alive: Arc<AtomicBool>,
}

/// What the task of a timer has.
struct Firing {
    id: u64,
    label: String,
    outbox: Arc<Outbox>,
    /// Aborting a task takes effect when it next waits; this takes effect at once.
    alive: Arc<AtomicBool>,
}

impl Timers {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, state: Mutex::default() }
    }

    /// Fires at every interval from now, and answers the timer's id.
    ///
    /// # Errors
    /// The interval or the label is not valid, or there are too many timers.
    pub(crate) fn repeat(&self, interval_ms: u64, label: String) -> Result<u64, ApiError> {
        check_ms("interval_ms", interval_ms, MIN_INTERVAL_MS)?;
        check_label(&label)?;
        let interval = Duration::from_millis(interval_ms);
        self.add(label, |firing| repeat(firing, interval))
    }

    /// Fires once after a delay, and answers its id.
    ///
    /// # Errors
    /// As [`Timers::repeat`].
    pub(crate) fn once(&self, delay_ms: u64, label: String) -> Result<u64, ApiError> {
        check_ms("delay_ms", delay_ms, 0)?;
        check_label(&label)?;
        let due = after(Instant::now(), Duration::from_millis(delay_ms));
        self.add(label, |firing| async move {
            sleep_until(due).await;
            // Fails only if the session is over.
            let _ = firing.fire(0);
        })
    }

    /// Ends a timer or a task, and says whether it was still to fire.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let mut state = self.lock();
        let was_running = state.running.remove(&id).is_some_and(|running| {
            running.alive.store(false, Ordering::Release);
            running.task.abort();
            !running.task.is_finished()
        });
        // What it fired before is taken back, unless it was sent.
        self.outbox.unfire(id) || was_running
    }

    fn add<F>(&self, label: String, task: impl FnOnce(Firing) -> F) -> Result<u64, ApiError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut state = self.lock();
        // A task that has fired counts until it is sent.
        state.running.retain(|id, running| !running.task.is_finished() || self.outbox.is_due(*id));
        if state.running.len() >= MAX_TIMERS {
            return Err(ApiError::QuotaExceeded {
                what: "timers and tasks".to_owned(),
                requested: bounded(MAX_TIMERS).saturating_add(1),
                limit: bounded(MAX_TIMERS),
            });
        }
        state.last_id = state.last_id.wrapping_add(1);
        let id = state.last_id;
        let alive = Arc::new(AtomicBool::new(true));
        let firing = Firing { id, label, outbox: Arc::clone(&self.outbox), alive: Arc::clone(&alive) };
        let task = tokio::spawn(task(firing)).abort_handle();
        state.running.insert(id, Running { task, alive });
        Ok(id)
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.lock().running.values().for_each(|running| running.task.abort());
    }
}

impl Firing {
    fn fire(&self, missed: u64) -> Result<(), NotTaken> {
        self.outbox.fire(self.id, &self.label, missed, &self.alive)
    }
}

async fn repeat(firing: Firing, interval: Duration) {
    let mut next = after(Instant::now(), interval);
    loop {
        sleep_until(next).await;
        let missed = ticks_since(next, Instant::now(), interval);
        if firing.fire(missed).is_err() {
            return;
        }
        let ticks = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        next = after(next, interval.saturating_mul(ticks));
    }
}

/// How many ticks after `tick` have passed by `now`.
fn ticks_since(tick: Instant, now: Instant, interval: Duration) -> u64 {
    let late = now.saturating_duration_since(tick).as_nanos();
    u64::try_from(late / interval.as_nanos().max(1)).unwrap_or(u64::MAX)
}

fn after(instant: Instant, delay: Duration) -> Instant {
    instant.checked_add(delay).unwrap_or(instant)
}

fn check_ms(argument: &str, ms: u64, min: u64) -> Result<(), ApiError> {
    if (min..=MAX_MS).contains(&ms) {
        return Ok(());
    }
    let problem = format!("{ms} is not between {min} and {MAX_MS} ms");
    Err(ApiError::InvalidArgument { argument: argument.to_owned(), problem })
}

fn check_label(label: &str) -> Result<(), ApiError> {
    if label.len() <= MAX_NAME_BYTES && !label.chars().any(is_deceptive) {
        return Ok(());
    }
    let problem = format!("not up to {MAX_NAME_BYTES} bytes of printable text");
    Err(ApiError::InvalidArgument { argument: "label".to_owned(), problem })
}

fn bounded(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
