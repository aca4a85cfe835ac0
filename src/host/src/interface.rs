//! The interface for the operator's tools: JSON-RPC methods of modules, and metrics, on the socket that the launcher
//! hands in.
//!
//! It never opens a socket, never keeps credentials in the clear, and never lets a client call anything but what a
//! module registered. A client's call is one more invocation of a module, within the bounds of that module.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_control::{Interface, Secret};
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::modules::MAX_CALL_BYTES;
use cofferdam_protocol::{ApiError, InvocationPayload};
use cofferdam_rpc::{Auth, AuthError, Backend, CallError, Limits, MethodInfo, RpcError, ServeError, code};
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use crate::api::Host;
use crate::metrics::Known;
use crate::modules::{Chain, ask_module};

/// How often the node is looked at for the metrics, and how long that may take.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no interface.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The launcher sent settings without a socket.
    #[error("the launcher sent no socket for {0} (are cofferdam and cofferdam-launcher of one build?)")]
    NoSocket(std::net::SocketAddr),
    /// The cookie or the token cannot be used.
    #[error("the credentials of the interface for tools cannot be used")]
    Credentials(#[source] AuthError),
    /// The socket cannot be used.
    #[error("the interface for tools cannot be served")]
    Serve(#[source] ServeError),
}

/// Serves `interface` on `socket` for as long as it is polled.
///
/// # Errors
/// [`InterfaceError`]; nothing that a client does ends it.
pub(crate) async fn serve_tools(
    interface: Interface,
    socket: Option<OwnedFd>,
    host: Arc<Host>,
) -> Result<(), InterfaceError> {
    let socket = socket.ok_or(InterfaceError::NoSocket(interface.address))?;
    let Interface { address, cookie, token } = interface;
    let mut auth =
        Auth::cookie(&format!("{}:{}", cookie.user, cookie.password)).map_err(InterfaceError::Credentials)?;
    if let Some(Secret(token)) = token {
        auth = auth.or_token(&token).map_err(InterfaceError::Credentials)?;
    }
    tracing::info!("serves JSON-RPC and metrics on {address}");
    let backend = Arc::new(Tools { host: Arc::clone(&host) });
    let serving = cofferdam_rpc::serve(
        TcpListener::from(socket),
        auth,
        backend,
        Limits::default(),
        std::future::pending(),
    );
    tokio::select! {
        served = serving => served.map_err(InterfaceError::Serve),
        () = look_at_node(&host) => Ok(()),
    }
}

/// Keeps what the metrics say of the node up to date.
async fn look_at_node(host: &Host) {
    loop {
        let seen = timeout(LOOK_DEADLINE, host.node_height()).await.ok().flatten();
        let node = host.metrics().node();
        node.ready.store(u64::from(seen.is_some()), Ordering::Relaxed);
        if let Some(height) = seen {
            node.height.store(height.into(), Ordering::Relaxed);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The core as the operator's tools see it.
struct Tools {
    host: Arc<Host>,
}

impl Backend for Tools {
    async fn call(&self, method: &str, params: Box<RawValue>) -> Result<Box<RawValue>, CallError> {
        let (module, method) = self.host.modules().endpoint(method).ok_or(CallError::NoSuchMethod)?;
        let params = String::from(Box::<str>::from(params));
        if params.len() > MAX_CALL_BYTES {
            let message = format!("params of {} bytes, at most {MAX_CALL_BYTES} are passed on", params.len());
            return Err(RpcError::new(code::INVALID_PARAMS, message).into());
        }
        let failed = |error: ApiError| CallError::from(in_rpc(&module, error));
        let outbox = self.host.modules().session(module.as_str());
        let outbox = outbox.ok_or_else(|| failed(ApiError::ModuleNotFound { module: module.to_string() }))?;
        let payload = InvocationPayload::RpcCall { method, params };
        let answer =
            ask_module(&module, &outbox, payload, Chain::from_host(&module)).await.map_err(failed)?;
        Ok(json(&module, &answer)?)
    }

    fn describe(&self) -> Vec<MethodInfo> {
        self.host.modules().endpoints()
    }

    fn metrics(&self) -> String {
        let known: Vec<Known> = self
            .host
            .modules()
            .census()
            .into_iter()
            .map(|(name, state, outstanding)| {
                let refusals = self.host.denials().of(&name);
                let fills = self.host.quotas().of(&name);
                Known { name, state, outstanding, refusals, fills }
            })
            .collect();
        self.host.metrics().export(&known, self.host.hub().published())
    }
}

/// The module's answer, if it is JSON.
fn json(module: &ModuleName, answer: &Bytes) -> Result<Box<RawValue>, RpcError> {
    let parsed =
        std::str::from_utf8(answer).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    parsed.ok_or_else(|| {
        RpcError::new(code::INTERNAL_ERROR, format!("the answer of module {module} is not JSON"))
    })
}

fn in_rpc(module: &ModuleName, error: ApiError) -> RpcError {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others have no code of their own in JSON-RPC")]
    match error {
        ApiError::ModuleFailed { code, message, .. } => RpcError::new(code.into(), message),
        ApiError::Timeout { .. } => RpcError::new(code::DEADLINE, format!("module {module}: {error}")),
        error => RpcError::new(code::INTERNAL_ERROR, format!("module {module}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_is_passed_on_as_it_is_or_is_an_error_that_names_the_module(
            answer in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                any::<f64>().prop_map(|number| serde_json::json!([number]).to_string().into_bytes()),
            ]
        ) {
            let module: ModuleName = "greeter".parse().unwrap();
            let is_json = serde_json::from_slice::<serde_json::Value>(&answer).is_ok();
            match json(&module, &Bytes::from(answer.clone())) {
                Ok(passed) => {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(passed.get()).is_ok() || !is_json);
                    prop_assert_eq!(passed.get().trim().as_bytes(), answer.trim_ascii());
                }
                Err(error) => prop_assert!(!is_json && error.message.contains("greeter")),
            }
        }
    }
}
