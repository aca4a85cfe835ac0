//! `cofferdam calls` and `cofferdam events`: the protocol's tables as text or JSON.

use cofferdam_policy::profile::CallLine;
use cofferdam_protocol::{CATALOG, EventOrigin, EventType};
use serde_json::json;

use crate::answer::Answer;

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

pub(crate) fn calls(json: bool) -> Answer {
    if json {
        let rows = CATALOG.iter().map(|call| {
            let capability = call.capability.map(|capability| capability.as_str());
            json!({ "tag": call.tag, "name": call.name, "capability": capability, "doc": call.doc })
        });
        return pretty(rows.collect());
    }
    let mut text = format!("{:>4}  {:<20}{:<20}{}\n", "tag", "call", "needs", "what it does");
    for call in CATALOG {
        let needs = call.capability.map_or("nothing", |capability| capability.as_str());
        text.push_str(&format!("{:>4}  {:<20}{needs:<20}{}\n", call.tag, call.name, call.doc));
    }
    Answer::good(text)
}

pub(crate) fn events(json: bool) -> Answer {
    if json {
        let rows = EventType::ALL.iter().map(|event| {
            let made_by = maker(event.origin());
            json!({ "tag": event.tag(), "name": event.as_str(), "made_by": made_by, "doc": event.doc() })
        });
        return pretty(rows.collect());
    }
    let mut text = format!("{:>4}  {:<31}{:<9}{}\n", "tag", "event", "made by", "what it means");
    for event in EventType::ALL {
        let made_by = maker(event.origin());
        text.push_str(&format!("{:>4}  {:<31}{made_by:<9}{}\n", event.tag(), event.as_str(), event.doc()));
    }
    Answer::good(text)
}

fn maker(origin: EventOrigin) -> &'static str {
    match origin {
        EventOrigin::Core => "core",
        EventOrigin::Module => "module",
    }
}

fn pretty(rows: Vec<serde_json::Value>) -> Answer {
    Answer::good(format!("{:#}\n", serde_json::Value::Array(rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_and_event_has_a_line_whose_columns_do_not_touch() {
        for (answer, rows) in [(calls(false), CATALOG.len()), (events(false), EventType::ALL.len())] {
            assert_eq!(answer.text.lines().count(), rows + 1);
            for line in answer.text.lines() {
                assert!(line.chars().nth(4) == Some(' ') && line.split("  ").count() > 2, "{line}");
            }
        }
    }

    #[test]
    fn the_json_lists_hold_every_row() {
        for (answer, rows) in [(calls(true), CATALOG.len()), (events(true), EventType::ALL.len())] {
            let rows_of: Vec<serde_json::Value> = serde_json::from_str(&answer.text).unwrap();
            assert_eq!(rows_of.len(), rows);
        }
    }
}
