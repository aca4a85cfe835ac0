//! The protocol's tables as the audit pages take them.

use cofferdam_policy::profile::CallLine;
use cofferdam_protocol::{CATALOG, EventType};

/// The calls as the audit pages take them.
pub(crate) fn call_lines() -> Vec<CallLine> {
    let line = |call: &cofferdam_protocol::CallInfo| CallLine {
        name: call.name.to_owned(),
        capability: call.capability,
        summary: call.doc.to_owned(),
    };
    CATALOG.iter().map(line).collect()
}

/// The names of all event types.
pub(crate) fn event_names() -> Vec<String> {
    EventType::ALL.iter().map(|event| event.as_str().to_owned()).collect()
}
