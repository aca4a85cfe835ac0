//! Subscriptions: which events a module gets, and what can be expected of each type.

use cofferdam_protocol::calls::SubscribeEvents;
use cofferdam_protocol::{ApiError, BoundedVec, EventAvailability, Subscribed};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};

impl Handle<SubscribeEvents> for Host {
    /// A type may be named often, and each time all its publishers are.
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        caller: &Caller,
        call: Authorized<SubscribeEvents>,
    ) -> Result<Subscribed, ApiError> {
        let SubscribeEvents { event_types, resume_after } = call.into_call();
        self.watch().subscribe(&caller.module.name, event_types.as_slice());
        let cursor = self.hub().subscribe(&caller.mailbox, event_types.as_slice(), resume_after).map_err(
            |unknown| ApiError::InvalidArgument {
                argument: "resume_after".to_owned(),
                problem: unknown.to_string(),
            },
        )?;
        let origins = self.local().origins;
        let events = event_types.into_iter().map(|event_type| EventAvailability {
            event_type,
            availability: origins.availability(event_type, |published| self.modules().publishers(published)),
        });
        Ok(Subscribed { cursor, events: BoundedVec::truncated(events) })
    }
}
