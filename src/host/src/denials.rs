//! What modules were refused: a line in the log for the operator, and a message to the launcher for the audit log.
//!
//! A module can cause as many refusals as it may make calls, so that few of them are told and the others are
//! counted. The counts outlive sessions: a module does not get a new allowance by being started again.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cofferdam_control::{Ask, shorten};
use cofferdam_log::{Throttle, TokenBucket, and_more};
use cofferdam_manifest::ModuleName;

use crate::control_link::Launcher;

/// Refusals of one module that are told: a few at once for the operator to see what it wants, then one in ten
/// seconds, with the number of the others.
const OF_MODULE: (Duration, u32) = (Duration::from_secs(10), 8);

/// Messages about refusals of all modules together: a fifth of what the launcher takes from a core before it takes it
/// for a mad one (50 asks per second, 1000 at once).
const OF_ALL: (Duration, u32) = (Duration::from_millis(100), 200);

/// Tells of refusals.
#[derive(Debug)]
pub(crate) struct Denials {
    launcher: OnceLock<Launcher>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    all: TokenBucket,
    /// By module, of which there are as many as the roster has.
    modules: HashMap<ModuleName, Counted>,
    total: HashMap<ModuleName, u64>,
}

#[derive(Debug)]
struct Counted {
    throttle: Throttle,
    /// Those that were logged and found no room in `all`, with what they stood for.
    unsent: u64,
}

impl Denials {
    pub(crate) fn new() -> Self {
        let all = TokenBucket::new(OF_ALL.0, OF_ALL.1);
        Self {
            launcher: OnceLock::new(),
            state: Mutex::new(State { all, modules: HashMap::new(), total: HashMap::new() }),
        }
    }

    /// From now on the launcher is told.
    pub(crate) fn tell(&self, launcher: Launcher) {
        // A core has one launcher.
        let _ = self.launcher.set(launcher);
    }

    /// `module` was refused `call`, for which it would need `needs`.
    pub(crate) fn refused(&self, module: &ModuleName, call: &str, needs: &str) {
        let Some(told) = self.count(module) else { return };
        tracing::warn!(subject = %module, "refused {call}: needs {needs}{}", and_more(told.logged));
        if let (Some(more), Some(launcher)) = (told.more, self.launcher.get()) {
            let denied =
                Ask::Denied { module: module.clone(), call: shorten(call), needs: shorten(needs), more };
            // A link that has ended or is stuck ends the core elsewhere.
            let _ = launcher.ask(denied);
        }
    }

    /// How often `module` was refused something since the core began.
    pub(crate) fn of(&self, module: &ModuleName) -> u64 {
        self.lock().total.get(module).copied().unwrap_or_default()
    }

    fn count(&self, module: &ModuleName) -> Option<Told> {
        let mut state = self.lock();
        let State { all, modules, total } = &mut *state;
        let total = total.entry(module.clone()).or_default();
        *total = total.saturating_add(1);
        let new = || Counted { throttle: Throttle::new(OF_MODULE.0, OF_MODULE.1), unsent: 0 };
        let counted = modules.entry(module.clone()).or_insert_with(new);
        let logged = counted.throttle.pass()?;
        if all.take().is_err() {
            counted.unsent = counted.unsent.saturating_add(logged).saturating_add(1);
            return Some(Told { logged, more: None });
        }
        let more = std::mem::take(&mut counted.unsent).saturating_add(logged);
        Some(Told { logged, more: Some(more) })
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a refusal is told.
struct Told {
    /// How many others the line stands for.
    logged: u64,
    /// How many others the message stands for, if there is to be one.
    more: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_refusal_is_told_or_counted_and_messages_stay_few_whatever_modules_do() {
        let denials = Denials::new();
        let modules: Vec<ModuleName> = (0..128).map(|index| format!("m{index}").parse().unwrap()).collect();
        let (mut messages, mut stood_for) = (0, 0);
        let mut tell = |module: &ModuleName| {
            if let Some(Told { more: Some(more), .. }) = denials.count(module) {
                messages += 1;
                stood_for += more + 1;
            }
        };
        (0..100).for_each(|_| modules.iter().for_each(&mut tell));
        tokio::time::advance(Duration::from_secs(3600)).await;
        for module in &modules {
            tell(module);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(messages, 200 + 128);
        assert_eq!(stood_for, 128 * 101);
    }
}
