//! A lock that one waits for with a deadline. Never blocks for ever on a holder that hangs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that one thread at a time may use.
#[derive(Debug)]
pub(crate) struct Gate<Inner> {
    busy: Mutex<bool>,
    free: Condvar,
    inner: Mutex<Inner>,
}

/// Nobody left the gate in time.
#[derive(Debug)]
pub(crate) struct TimedOut;

/// Opens the gate again, after a panic too.
struct Pass<'gate, Inner>(&'gate Gate<Inner>);

impl<Inner> Gate<Inner> {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { busy: Mutex::new(false), free: Condvar::new(), inner: Mutex::new(inner) }
    }

    pub(crate) fn with<Done>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Inner) -> Done,
    ) -> Result<Done, TimedOut> {
        let waited = self.free.wait_timeout_while(lock(&self.busy), patience, |busy| *busy);
        let (mut busy, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(TimedOut);
        }
        *busy = true;
        drop(busy);
        let pass = Pass(self);
        let done = work(&mut lock(&self.inner));
        drop(pass);
        Ok(done)
    }
}

impl<Inner> Drop for Pass<'_, Inner> {
    fn drop(&mut self) {
        *lock(&self.0.busy) = false;
        self.0.free.notify_one();
    }
}

/// What these mutexes guard is whole between any two statements, so a panic of another thread does not matter.
pub(crate) fn lock<Inner>(mutex: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(10);
    const LATE: Duration = Duration::from_secs(60);

    #[test]
    fn who_waits_behind_a_holder_that_hangs_is_turned_away() {
        let gate = Gate::new(());
        let inside = gate.with(LATE, |()| gate.with(SOON, |()| ()).is_err());
        assert!(inside.unwrap());
        assert!(gate.with(SOON, |()| ()).is_ok(), "the control: the gate is free again");
    }

    #[test]
    fn a_panic_opens_the_gate() {
        let gate = Gate::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = gate.with(LATE, |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        assert_eq!(gate.with(SOON, |inner| *inner).unwrap(), 1);
    }

    #[test]
    fn no_two_threads_are_inside() {
        let gate = Gate::new(0_u32);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| gate.with(LATE, |count| *count += 1).unwrap()));
            }
        });
        assert_eq!(gate.with(LATE, |count| *count).unwrap(), 4000);
    }
}
