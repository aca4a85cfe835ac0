//! JSON-RPC methods that a module offers to the operator's tools. They last as long as its session.

use cofferdam_protocol::ApiError;
use cofferdam_protocol::calls::{RegisterRpcEndpoint, UnregisterRpcEndpoint};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle};

impl Handle<RegisterRpcEndpoint> for Host {
    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<RegisterRpcEndpoint>,
    ) -> Result<String, ApiError> {
        let RegisterRpcEndpoint { method, description } = call.into_call();
        self.modules().offer_rpc(&caller.module.name, &caller.outbox, &method, &description)
    }
}

impl Handle<UnregisterRpcEndpoint> for Host {
    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<UnregisterRpcEndpoint>,
    ) -> Result<bool, ApiError> {
        let method = call.into_call().method;
        Ok(self.modules().withdraw_rpc(&caller.module.name, &caller.outbox, &method))
    }
}
