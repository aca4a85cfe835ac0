//! Timers and tasks. Each belongs to the session that registered it.

use cofferdam_protocol::ApiError;
use cofferdam_protocol::calls::{CancelTimer, RegisterTimer, ScheduleTask};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle};

impl Handle<RegisterTimer> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<RegisterTimer>) -> Result<u64, ApiError> {
        let RegisterTimer { interval_ms, label } = call.into_call();
        caller.timers.repeat(interval_ms, label)
    }
}

impl Handle<ScheduleTask> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<ScheduleTask>) -> Result<u64, ApiError> {
        let ScheduleTask { delay_ms, label } = call.into_call();
        caller.timers.once(delay_ms, label)
    }
}

impl Handle<CancelTimer> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<CancelTimer>) -> Result<bool, ApiError> {
        Ok(caller.timers.cancel(call.into_call().timer_id))
    }
}
