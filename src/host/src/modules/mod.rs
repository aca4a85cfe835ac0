//! The modules as they see each other: who is there, what each offers, and the way from one to another.
//!
//! It holds what the roster says, what the lifecycle says, and the sessions that are open. Who calls is the host's
//! word, by the session a call comes from. It never keeps anything of a module whose session is over.

mod call;
mod chain;
mod offer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cofferdam_manifest::ModuleName;
use cofferdam_protocol::modules::{ModuleApi, ModuleInfo, ModuleState};
use cofferdam_protocol::{ApiError, EventType};
use cofferdam_rpc::{Endpoint, Endpoints, MethodInfo, RegisterError};

pub(crate) use self::call::{Question, ask_module};
pub(crate) use self::chain::{Chain, HOST};
use crate::session::Module;
use crate::session::outbox::Outbox;

/// How long a module may take to answer a call of another one.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn deadline_ms() -> u64 {
    u64::try_from(CALL_DEADLINE.as_millis()).unwrap_or(u64::MAX)
}

/// The modules of the roster.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    state: Mutex<State>,
    lightning: OnceLock<ModuleName>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<ModuleName, Entry>,
    /// The JSON-RPC methods that modules offer in their present sessions.
    endpoints: Endpoints,
}

#[derive(Debug)]
struct Entry {
    version: String,
    publishes: Vec<EventType>,
    state: ModuleState,
    session: Option<Arc<Outbox>>,
    /// What it offers in its present session.
    api: Option<Arc<ModuleApi>>,
}

/// The place of an open session; dropping it ends whatever waits for the module.
#[derive(Debug)]
pub(crate) struct Joined {
    modules: Arc<Modules>,
    name: ModuleName,
    outbox: Arc<Outbox>,
}

impl Joined {
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.outbox.close();
        let mut state = self.modules.lock();
        // A later session of it may have begun.
        if let Some(entry) = state.served(&self.name, &self.outbox) {
            entry.session = None;
            entry.api = None;
            state.endpoints.remove_module(&self.name);
        }
    }
}

impl State {
    /// The entry of a module, if its present session is the one that `outbox` belongs to.
    fn served(&mut self, name: &ModuleName, outbox: &Arc<Outbox>) -> Option<&mut Entry> {
        let is_present =
            |entry: &&mut Entry| entry.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, outbox));
        self.entries.get_mut(name).filter(is_present)
    }
}

impl Modules {
    /// Adds a module of the roster, which does not run yet.
    pub(crate) fn install(&self, module: &Module) {
        let entry = Entry {
            version: module.version.clone(),
            publishes: module.publishes.clone(),
            state: ModuleState::Starting,
            session: None,
            api: None,
        };
        let mut state = self.lock();
        state.endpoints.expect_module(&module.name);
        state.entries.entry(module.name.clone()).or_insert(entry);
    }

    /// Names the module that answers for Lightning and payments.
    pub(crate) fn answer_lightning_from(&self, module: ModuleName) {
        // A core has one roster.
        let _ = self.lightning.set(module);
    }

    /// The module that answers for Lightning and payments, if the operator named one.
    pub(crate) fn lightning(&self) -> Option<&ModuleName> {
        self.lightning.get()
    }

    /// A session of this module is open.
    pub(crate) fn join(self: &Arc<Self>, name: &ModuleName) -> Joined {
        let outbox = Arc::new(Outbox::default());
        let mut state = self.lock();
        state.endpoints.remove_module(name);
        if let Some(entry) = state.entries.get_mut(name) {
            entry.session = Some(Arc::clone(&outbox));
            entry.api = None;
        }
        drop(state);
        Joined { modules: Arc::clone(self), name: name.clone(), outbox }
    }

    /// The lifecycle says what a module is doing. Says whether that is something else than before.
    pub(crate) fn set_state(&self, name: &ModuleName, state: ModuleState) -> bool {
        let mut state_of = self.lock();
        let Some(entry) = state_of.entries.get_mut(name) else { return false };
        std::mem::replace(&mut entry.state, state) != state
    }

    /// Offers `api`, by the session that `outbox` belongs to, or nothing any more.
    pub(crate) fn offer(
        &self,
        name: &ModuleName,
        outbox: &Arc<Outbox>,
        api: Option<ModuleApi>,
    ) -> Result<(), ApiError> {
        if let Some(api) = &api {
            offer::check(api)?;
        }
        if let Some(entry) = self.lock().served(name, outbox) {
            entry.api = api.map(Arc::new);
        }
        Ok(())
    }

    /// Offers a JSON-RPC method, likewise, and answers its full name.
    pub(crate) fn offer_rpc(
        &self,
        name: &ModuleName,
        outbox: &Arc<Outbox>,
        method: &str,
        description: &str,
    ) -> Result<String, ApiError> {
        let mut state = self.lock();
        if state.served(name, outbox).is_none() {
            return Err(ApiError::NotReady { reason: "this session is over".to_owned() });
        }
        state.endpoints.register(name, method, description).map_err(|error| {
            let problem = error.to_string();
            let argument = match error {
                RegisterError::Method(_)
                | RegisterError::Taken { .. }
                | RegisterError::OfAnother { .. }
                | RegisterError::TooMany(_) => "method",
                RegisterError::Description { .. } => "description",
            };
            ApiError::InvalidArgument { argument: argument.to_owned(), problem }
        })
    }

    /// Withdraws a JSON-RPC method, and says whether it was offered.
    pub(crate) fn withdraw_rpc(&self, name: &ModuleName, outbox: &Arc<Outbox>, method: &str) -> bool {
        let mut state = self.lock();
        state.served(name, outbox).is_some() && state.endpoints.unregister(name, method)
    }

    /// Whose JSON-RPC method this is, and its name there.
    pub(crate) fn endpoint(&self, full_name: &str) -> Option<(ModuleName, String)> {
        let state = self.lock();
        state.endpoints.resolve(full_name).map(|endpoint| (endpoint.module.clone(), endpoint.method.clone()))
    }

    /// Every JSON-RPC method there is.
    pub(crate) fn endpoints(&self) -> Vec<MethodInfo> {
        let info = |(name, endpoint): (&str, &Endpoint)| MethodInfo {
            name: name.to_owned(),
            description: endpoint.description.clone(),
            module: endpoint.module.to_string(),
        };
        self.lock().endpoints.list().map(info).collect()
    }

    /// The modules that may publish events of this type, by name.
    pub(crate) fn publishers(&self, event_type: EventType) -> Vec<String> {
        let state = self.lock();
        let publish = state.entries.iter().filter(|(_, entry)| entry.publishes.contains(&event_type));
        publish.map(|(name, _)| name.to_string()).collect()
    }

    /// All modules, as `asker` may see them.
    pub(crate) fn infos(&self, asker: &Module) -> Vec<ModuleInfo> {
        self.lock().entries.iter().map(|(name, entry)| info(name, entry, asker)).collect()
    }

    /// One module, as `asker` may see it.
    pub(crate) fn info(&self, name: &str, asker: &Module) -> Option<ModuleInfo> {
        self.lock().entries.get_key_value(name).map(|(name, entry)| info(name, entry, asker))
    }

    /// Whether a module is of the roster.
    pub(crate) fn is_installed(&self, name: &str) -> bool {
        self.lock().entries.contains_key(name)
    }

    /// Whether a module runs and is connected.
    pub(crate) fn is_available(&self, name: &str) -> bool {
        self.session(name).is_some()
    }

    /// What modules are doing, and how many invocations each has still to answer.
    pub(crate) fn census(&self) -> Vec<(ModuleName, ModuleState, usize)> {
        let count = |entry: &Entry| entry.session.as_ref().map_or(0, |session| session.outstanding());
        self.lock().entries.iter().map(|(name, entry)| (name.clone(), entry.state, count(entry))).collect()
    }

    /// The open session of a module.
    pub(crate) fn session(&self, name: &str) -> Option<Arc<Outbox>> {
        self.lock().entries.get(name).and_then(|entry| entry.session.clone())
    }

    /// The session of a module and what it offers to `caller`; nothing if it may not be called by it.
    fn callee(&self, name: &str, caller: &ModuleName) -> Option<(ModuleName, Arc<Outbox>, Arc<ModuleApi>)> {
        let state = self.lock();
        let (name, entry) = state.entries.get_key_value(name)?;
        let api = entry.api.clone().filter(|api| offer::admits(api, caller))?;
        Some((name.clone(), entry.session.clone()?, api))
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn info(name: &ModuleName, entry: &Entry, asker: &Module) -> ModuleInfo {
    let api = entry.api.as_ref().filter(|api| offer::may_call(api, asker));
    ModuleInfo {
        name: name.to_string(),
        version: entry.version.clone(),
        state: entry.state,
        api: api.map(|api| ModuleApi::clone(api)),
    }
}
