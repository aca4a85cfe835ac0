//! What a test asks of the module: timers that are due, JSON-RPC calls, calls and packets of other modules.

use bytes::Bytes;
use cofferdam_protocol::{ApiError, InvocationPayload, ModuleFault};
use serde_json::Value;

use super::TestHost;
use super::state::{CALL_DEADLINE, State};

impl TestHost {
    /// Lets the timer or the task with this label be due, as soon as the module has registered it. Time does not
    /// pass by itself: a timer fires when the test says so.
    pub async fn fire(&self, label: &str) {
        let (timer_id, session) = self
            .wait_for(&format!("a timer with the label {label:?}"), |host| host.state().offers.due(label))
            .await;
        let payload = InvocationPayload::TimerFired { timer_id, label: label.to_owned(), missed: 0 };
        let _answered_by_nobody = self.change(|state| state.invoke(session, payload, None));
    }

    /// Calls a JSON-RPC method of the module, by its name without the module's prefix, as soon as the module has
    /// registered it.
    ///
    /// # Errors
    /// The fault that the module answers, which a caller of the interface sees as the error of its call.
    ///
    /// # Panics
    /// If what the module answers is not JSON, or nothing within ten seconds.
    pub async fn call_rpc(&self, method: &str, params: Value) -> Result<Value, ModuleFault> {
        let session = self
            .wait_for(&format!("the JSON-RPC method {method}"), |host| host.state().offers.endpoint(method))
            .await;
        let payload = InvocationPayload::RpcCall { method: method.to_owned(), params: params.to_string() };
        let answer = self.invoke(session, payload, method).await?;
        let text = || String::from_utf8_lossy(&answer);
        Ok(serde_json::from_slice(&answer)
            .unwrap_or_else(|error| panic!("the answer to {method} is not JSON: {error}: {}", text())))
    }

    /// Calls a method that the module offers to other modules, as the module `caller`, as soon as it is offered.
    ///
    /// # Errors
    /// What the caller is told: [`ApiError::ModuleNotFound`] if the module does not let this caller call it,
    /// [`ApiError::ModuleFailed`] with the fault that the module answers.
    ///
    /// # Panics
    /// If the module answers nothing within ten seconds.
    pub async fn call_module(
        &self,
        caller: &str,
        method: &str,
        params: impl Into<Bytes>,
    ) -> Result<Bytes, ApiError> {
        let session =
            self.wait_for(&format!("the method {method}"), |host| host.state().offers.method(method)).await;
        let module = self.state().identity().0;
        let admitted = |state: &State| {
            state
                .offers
                .api()
                .is_some_and(|api| api.callers.is_empty() || api.callers.iter().any(|name| name == caller))
        };
        if !admitted(&self.state()) {
            return Err(ApiError::ModuleNotFound { module });
        }
        let payload = InvocationPayload::ModuleCall {
            caller: caller.to_owned(),
            method: method.to_owned(),
            params: params.into(),
        };
        let answer = self.invoke(session, payload, method).await;
        answer.map_err(|fault| ApiError::ModuleFailed { module, code: fault.code, message: fault.message })
    }

    /// Hands the module a packet of a mesh peer, as the module `from`.
    pub async fn hand_packet(&self, from: &str, peer_addr: &str, packet: impl Into<Bytes>) {
        let session = self.wait_for("the module to connect", |host| host.state().some_session()).await;
        let payload = InvocationPayload::MeshPacket {
            from_module: from.to_owned(),
            peer_addr: peer_addr.to_owned(),
            packet: packet.into(),
        };
        let _answered_by_nobody = self.change(|state| state.invoke(session, payload, None));
    }

    async fn invoke(
        &self,
        session: u64,
        payload: InvocationPayload,
        method: &str,
    ) -> Result<Bytes, ModuleFault> {
        let answer = self.change(|state| state.invoke(session, payload, Some(CALL_DEADLINE)));
        match tokio::time::timeout(CALL_DEADLINE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_closed)) => panic!("the module closed the connection and did not answer {method}"),
            Err(_late) => panic!("the module did not answer {method} within {} s", CALL_DEADLINE.as_secs()),
        }
    }
}
