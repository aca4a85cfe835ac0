//! What the module has registered: timers, JSON-RPC methods, its API. All of it lasts as long as its session.

use std::collections::BTreeMap;

use cofferdam_protocol::ApiError;
use cofferdam_protocol::modules::{MAX_NAME_BYTES, ModuleApi};

use super::builtin::invalid;

/// The most timers and tasks of a module.
const MAX_TIMERS: usize = 64;
/// The most JSON-RPC methods of a module.
const MAX_ENDPOINTS: usize = 64;
/// The shortest interval of a timer, and the longest: 31 days.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 100..=31 * 24 * 60 * 60 * 1000;

/// Everything that is offered, with the session that offers it.
#[derive(Default)]
pub(super) struct Offers {
    timers: BTreeMap<u64, Timer>,
    endpoints: BTreeMap<String, u64>,
    api: Option<(u64, ModuleApi)>,
}

struct Timer {
    session: u64,
    label: String,
    repeats: Repeats,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeats {
    Always,
    Once,
}

impl Offers {
    /// What is there, for a message.
    pub(super) fn summary(&self) -> String {
        let timers: Vec<&str> = self.timers.values().map(|timer| timer.label.as_str()).collect();
        let methods: Vec<&str> =
            self.api().iter().flat_map(|api| api.methods.iter()).map(|m| m.name.as_str()).collect();
        let endpoints: Vec<&String> = self.endpoints.keys().collect();
        format!("timers {timers:?}, JSON-RPC methods {endpoints:?}, methods for modules {methods:?}")
    }

    /// Everything a session offered is gone.
    pub(super) fn end(&mut self, session: u64) {
        self.timers.retain(|_, timer| timer.session != session);
        self.endpoints.retain(|_, owner| *owner != session);
        self.api = self.api.take().filter(|(owner, _)| *owner != session);
    }

    pub(super) fn add_timer(
        &mut self,
        (session, id): (u64, u64),
        (argument, ms): (&str, u64),
        label: String,
        repeats: Repeats,
    ) -> Result<u64, ApiError> {
        let least = if repeats == Repeats::Always { *INTERVAL_MS.start() } else { 0 };
        if !(least..=*INTERVAL_MS.end()).contains(&ms) {
            return Err(invalid(argument, format!("{ms}; it must be {least} to {}", INTERVAL_MS.end())));
        }
        if !(1..=MAX_NAME_BYTES).contains(&label.len()) {
            return Err(invalid("label", format!("it must have 1 to {MAX_NAME_BYTES} bytes")));
        }
        if self.timers.len() >= MAX_TIMERS {
            let (requested, limit) = (65, 64);
            return Err(ApiError::QuotaExceeded { what: "timers and tasks".to_owned(), requested, limit });
        }
        self.timers.insert(id, Timer { session, label, repeats });
        Ok(id)
    }

    pub(super) fn cancel_timer(&mut self, id: u64) -> bool {
        self.timers.remove(&id).is_some()
    }

    /// The timer with this label, and its session. A task is gone with that.
    pub(super) fn due(&mut self, label: &str) -> Option<(u64, u64)> {
        let (id, timer) = self.timers.iter().find(|(_, timer)| timer.label == label)?;
        let (id, session) = (*id, timer.session);
        if timer.repeats == Repeats::Once {
            self.timers.remove(&id);
        }
        Some((id, session))
    }

    pub(super) fn add_endpoint(
        &mut self,
        session: u64,
        module: &str,
        method: &str,
    ) -> Result<String, ApiError> {
        if !is_method(method) {
            let problem = format!("it must be 1 to {MAX_NAME_BYTES} of the characters a-z, 0-9, '_' and '.'");
            return Err(invalid("method", problem));
        }
        if self.endpoints.len() >= MAX_ENDPOINTS && !self.endpoints.contains_key(method) {
            return Err(invalid("method", format!("a module offers at most {MAX_ENDPOINTS}")));
        }
        if self.endpoints.insert(method.to_owned(), session).is_some() {
            return Err(invalid("method", format!("{method} is offered already")));
        }
        Ok(format!("{}_{method}", module.replace('-', "_")))
    }

    pub(super) fn remove_endpoint(&mut self, method: &str) -> bool {
        self.endpoints.remove(method).is_some()
    }

    /// The session that offers a JSON-RPC method.
    pub(super) fn endpoint(&self, method: &str) -> Option<u64> {
        self.endpoints.get(method).copied()
    }

    pub(super) fn offer(&mut self, session: u64, api: ModuleApi) -> Result<(), ApiError> {
        match api.methods.iter().find(|method| !is_method(&method.name)) {
            Some(method) => {
                let rule = format!("1 to {MAX_NAME_BYTES} of the characters a-z, 0-9, '_' and '.'");
                Err(invalid("api", format!("the name of method {:?} is not {rule}", method.name)))
            }
            None => {
                self.api = Some((session, api));
                Ok(())
            }
        }
    }

    pub(super) fn withdraw(&mut self) {
        self.api = None;
    }

    pub(super) fn api(&self) -> Option<&ModuleApi> {
        self.api.as_ref().map(|(_, api)| api)
    }

    /// The session that offers a method to other modules.
    pub(super) fn method(&self, method: &str) -> Option<u64> {
        let (session, api) = self.api.as_ref()?;
        api.methods.iter().any(|offered| offered.name == method).then_some(*session)
    }
}

fn is_method(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}
