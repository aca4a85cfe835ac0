//! The log of a module, which is the operator's: whatever the module says appears under its name, marked as
//! its own words, and cannot be mistaken for what the host says about it.

use std::sync::PoisonError;

use cofferdam_protocol::ApiError;
use cofferdam_protocol::calls::Log;

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle};

/// The longest message. Escaped and with its name it fits a log line unless it is mostly escapes.
const MAX_MESSAGE_BYTES: usize = 2048;

impl Handle<Log> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<Log>) -> Result<(), ApiError> {
        let Log { level, message } = call.into_call();
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(ApiError::InvalidArgument {
                argument: "message".to_owned(),
                problem: format!("{} bytes, at most {MAX_MESSAGE_BYTES} are logged", message.len()),
            });
        }
        let room = caller.log_lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        room.map_err(|retry| ApiError::RateLimited { retry_after_ms: retry.as_millis_ceil() })?;
        tracing::info!(subject = %caller.module.name, "says ({level}): {message}");
        Ok(())
    }
}
