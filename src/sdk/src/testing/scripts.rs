//! What a test scripted: answers to calls, and other modules. It decides nothing by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cofferdam_protocol::{ApiError, Call, ModuleFault, RequestPayload, ResponsePayload};

type Answer = dyn FnMut(RequestPayload) -> Option<Result<ResponsePayload, ApiError>> + Send;
type Module = dyn FnMut(&str, Bytes) -> Result<Bytes, ModuleFault> + Send;

/// The scripts, by the tags of calls and the names of modules.
///
/// Each has a lock of its own, so that a script may use the host that runs it.
#[derive(Default)]
pub(super) struct Scripts {
    answers: BTreeMap<u32, Script<Answer>>,
    modules: BTreeMap<String, Script<Module>>,
}

/// A closure that can be run while the table it stands in is not locked.
pub(super) struct Script<F: ?Sized>(Arc<Mutex<Box<F>>>);

impl<F: ?Sized> Clone for Script<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> Script<F> {
    fn new(script: Box<F>) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    /// Runs it. A script that panicked before is run again: its test has failed already.
    pub(super) fn run<T>(&self, with: impl FnOnce(&mut F) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Scripts {
    pub(super) fn answer<C: Call + 'static>(
        &mut self,
        mut answer: impl FnMut(C) -> Result<C::Reply, ApiError> + Send + 'static,
    ) {
        let script: Box<Answer> =
            Box::new(move |payload| C::from_payload(payload).map(|call| answer(call).map(C::respond)));
        self.answers.insert(C::TAG, Script::new(script));
    }

    pub(super) fn on_module(
        &mut self,
        name: &str,
        answer: impl FnMut(&str, Bytes) -> Result<Bytes, ModuleFault> + Send + 'static,
    ) {
        self.modules.insert(name.to_owned(), Script::new(Box::new(answer)));
    }

    pub(super) fn of_call(&self, tag: u32) -> Option<Script<Answer>> {
        self.answers.get(&tag).cloned()
    }

    pub(super) fn of_module(&self, name: &str) -> Option<Script<Module>> {
        self.modules.get(name).cloned()
    }
}
