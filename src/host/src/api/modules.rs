//! Modules among themselves: what they offer, call, publish and see of each other. Who calls is the host's word.

use bytes::Bytes;
use cofferdam_protocol::calls::{
    CallModule, DiscoverModules, GetModuleInfo, IsModuleAvailable, PublishEvent, RegisterModuleApi,
    SendMeshPacketToModule, UnregisterModuleApi,
};
use cofferdam_protocol::modules::{MAX_PACKET_BYTES, ModuleInfo, ModuleInfos};
use cofferdam_protocol::{ApiError, Call, EventOrigin, EventPayload, PublishedEvent};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use crate::modules::Question;
use crate::watch::Said;

impl Handle<CallModule> for Host {
    const REPLY: ReplySize = ReplySize::Relayed;

    async fn handle(&self, caller: &Caller, call: Authorized<CallModule>) -> Result<Bytes, ApiError> {
        let CallModule { target_module_id: target, method, params } = call.into_call();
        let question = Question { target, method, params };
        self.modules().call(&caller.module.name, caller.chain.as_deref(), question).await
    }
}

impl Handle<PublishEvent> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<PublishEvent>) -> Result<u64, ApiError> {
        let PublishEvent { event_type, payload } = call.into_call();
        if event_type.origin() == EventOrigin::Core {
            let problem = format!("{event_type} comes from the host; modules cannot publish it");
            return Err(ApiError::InvalidArgument { argument: "event_type".to_owned(), problem });
        }
        if !caller.module.publishes.contains(&event_type) {
            let needs = format!("publish_events to name {event_type}");
            self.denials().refused(&caller.module.name, PublishEvent::NAME, &needs);
            self.watch().publish(&caller.module.name, event_type, Said::No);
            return Err(ApiError::EventNotGranted { event_type: event_type.to_string() });
        }
        self.watch().publish(&caller.module.name, event_type, Said::Yes);
        if payload.len() > MAX_PACKET_BYTES {
            let problem = format!("{} bytes, at most {MAX_PACKET_BYTES} are published", payload.len());
            return Err(ApiError::InvalidArgument { argument: "payload".to_owned(), problem });
        }
        let event = PublishedEvent { publisher: caller.module.name.to_string(), data: payload };
        let published =
            EventPayload::published(event_type, event).and_then(|event| self.hub().publish(event));
        published.ok_or_else(|| ApiError::Internal { reference: format!("{event_type} was not published") })
    }
}

impl Handle<RegisterModuleApi> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<RegisterModuleApi>) -> Result<(), ApiError> {
        self.modules().offer(&caller.module.name, &caller.outbox, Some(call.into_call().api))
    }
}

impl Handle<UnregisterModuleApi> for Host {
    async fn handle(&self, caller: &Caller, _: Authorized<UnregisterModuleApi>) -> Result<(), ApiError> {
        self.modules().offer(&caller.module.name, &caller.outbox, None)
    }
}

impl Handle<DiscoverModules> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, caller: &Caller, _: Authorized<DiscoverModules>) -> Result<ModuleInfos, ApiError> {
        Ok(ModuleInfos::truncated(self.modules().infos(&caller.module)))
    }
}

impl Handle<GetModuleInfo> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<GetModuleInfo>,
    ) -> Result<Option<ModuleInfo>, ApiError> {
        Ok(self.modules().info(&call.into_call().module_id, &caller.module))
    }
}

impl Handle<IsModuleAvailable> for Host {
    async fn handle(&self, _: &Caller, call: Authorized<IsModuleAvailable>) -> Result<bool, ApiError> {
        Ok(self.modules().is_available(&call.into_call().module_id))
    }
}

impl Handle<SendMeshPacketToModule> for Host {
    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<SendMeshPacketToModule>,
    ) -> Result<(), ApiError> {
        let SendMeshPacketToModule { module_id, packet_data, peer_addr } = call.into_call();
        self.modules().hand_packet(&caller.module.name, &module_id, peer_addr, packet_data)
    }
}
