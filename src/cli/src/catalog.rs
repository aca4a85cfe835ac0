//! `cofferdam events`, and the protocol's tables as the audit pages take them.

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
    fn every_event_has_a_line_whose_columns_do_not_touch() {
        for (answer, rows) in [(events(false), EventType::ALL.len())] {
            assert_eq!(answer.text.lines().count(), rows + 1);
            for line in answer.text.lines() {
                assert!(line.chars().nth(4) == Some(' ') && line.split("  ").count() > 2, "{line}");
            }
        }
    }

    #[test]
    fn the_json_list_holds_every_row() {
        for (answer, rows) in [(events(true), EventType::ALL.len())] {
            let rows_of: Vec<serde_json::Value> = serde_json::from_str(&answer.text).unwrap();
            assert_eq!(rows_of.len(), rows);
        }
    }
}
