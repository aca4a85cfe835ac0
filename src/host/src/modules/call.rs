//! One question to a module, from whoever may ask it, and its answer or why there is none.

use bytes::Bytes;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::modules::{MAX_CALL_BYTES, MAX_PACKET_BYTES};
use cofferdam_protocol::{ApiError, InvocationPayload, ModuleFault};
use std::sync::Arc;

use super::{Chain, HOST, Modules, deadline_ms, offer};
use crate::session::outbox::{NoAnswer, NotTaken, Outbox};

/// The longest address of a mesh peer, in bytes.
const MAX_PEER_BYTES: usize = cofferdam_protocol::modules::MAX_NAME_BYTES;

/// When a module that has its hands full may be asked again.
const RETRY_MS: u64 = 100;

/// What a module calls another one for.
#[derive(Debug)]
pub(crate) struct Question {
    /// The module that is called, as the caller names it.
    pub(crate) target: String,
    pub(crate) method: String,
    pub(crate) params: Bytes,
}

impl Modules {
    /// Calls `question.target` for `caller`, in the course of `chain`.
    pub(crate) async fn call(
        &self,
        caller: &ModuleName,
        chain: Option<&Chain>,
        question: Question,
    ) -> Result<Bytes, ApiError> {
        let Question { target, method, params } = question;
        check_params(&params)?;
        let Some((target, outbox, api)) = self.callee(&target, caller) else {
            return Err(ApiError::ModuleNotFound { module: beginning(&target) });
        };
        if !api.methods.iter().any(|offered| offered.name == method) {
            let method = if offer::is_method(&method) { method } else { "of that name".to_owned() };
            return Err(ApiError::NotFound { what: format!("method {method} of module {target}") });
        }
        let chain = Chain::extend(chain, caller, &target)?;
        let payload = InvocationPayload::ModuleCall { caller: caller.to_string(), method, params };
        ask_module(&target, &outbox, payload, chain).await
    }

    /// Calls a method of `target` for the host itself, in the course of `chain`. What it offers to modules is not
    /// looked at: the operator named it.
    pub(crate) async fn call_as_host(
        &self,
        target: &ModuleName,
        chain: Arc<Chain>,
        method: &str,
        params: Bytes,
    ) -> Result<Bytes, ApiError> {
        let outbox = self.session(target.as_str());
        let outbox = outbox.ok_or_else(|| ApiError::ModuleNotFound { module: target.to_string() })?;
        let payload =
            InvocationPayload::ModuleCall { caller: HOST.to_owned(), method: method.to_owned(), params };
        ask_module(target, &outbox, payload, chain).await
    }

    /// Hands a packet of a mesh peer to `target`.
    pub(crate) fn hand_packet(
        &self,
        from: &ModuleName,
        target: &str,
        peer_addr: String,
        packet: Bytes,
    ) -> Result<(), ApiError> {
        let bytes = packet.len();
        if bytes > MAX_PACKET_BYTES {
            let problem = format!("{bytes} bytes, at most {MAX_PACKET_BYTES} are handed over");
            return Err(ApiError::InvalidArgument { argument: "packet_data".to_owned(), problem });
        }
        if peer_addr.len() > MAX_PEER_BYTES {
            let problem = format!("{} bytes, at most {MAX_PEER_BYTES}", peer_addr.len());
            return Err(ApiError::InvalidArgument { argument: "peer_addr".to_owned(), problem });
        }
        let not_found = || ApiError::ModuleNotFound { module: beginning(target) };
        let outbox = self.session(target).ok_or_else(not_found)?;
        let payload = InvocationPayload::MeshPacket { from_module: from.to_string(), peer_addr, packet };
        outbox.hand_over(payload, bytes).map_err(|not_taken| match not_taken {
            NotTaken::Closed => not_found(),
            NotTaken::Full => ApiError::RateLimited { retry_after_ms: RETRY_MS },
        })
    }
}

/// Asks, and waits for the answer until the chain's end.
///
/// # Errors
/// Why there is none; the module's own error is bounded.
pub(crate) async fn ask_module(
    target: &ModuleName,
    outbox: &Arc<Outbox>,
    payload: InvocationPayload,
    chain: Arc<Chain>,
) -> Result<Bytes, ApiError> {
    let gone = || ApiError::ModuleNotFound { module: target.to_string() };
    let pending = outbox.ask(payload, chain.deadline(), chain).map_err(|not_taken| match not_taken {
        NotTaken::Closed => gone(),
        NotTaken::Full => ApiError::RateLimited { retry_after_ms: RETRY_MS },
    })?;
    let outcome = pending.answered().await.map_err(|none| match none {
        NoAnswer::Gone => gone(),
        NoAnswer::Late => ApiError::Timeout { what: format!("module {target}"), after_ms: deadline_ms() },
    })?;
    outcome.map_err(|ModuleFault { code, message }| ApiError::ModuleFailed {
        module: target.to_string(),
        code,
        message,
    })
}

fn check_params(params: &Bytes) -> Result<(), ApiError> {
    if params.len() <= MAX_CALL_BYTES {
        return Ok(());
    }
    let problem = format!("{} bytes, at most {MAX_CALL_BYTES} are passed on", params.len());
    Err(ApiError::InvalidArgument { argument: "params".to_owned(), problem })
}

/// As much of what should be a name as a name can have.
fn beginning(name: &str) -> String {
    name.chars().take(64).collect()
}
