//! Where the sequence of events begins in this run of the core: where the last one ended, if its journal says.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_node::Node;

use super::EncodedEvent;
use super::chain_feed::{ChainFeed, Start};
use super::hub::{Hub, KEPT_OF_CHAIN, Past, first_cursor};
use super::journal::format::Begin;
use super::journal::read::{Left, Unreadable, read};
use super::journal::{DIRECTORY, Journal, put_aside};

/// The same as the operator's configuration names it.
const ON_HOST: &str = "<state_dir>/core/events/journal";

/// How far this run's cursors begin above those that the last run wrote down, even if the clock was set back: it
/// gave more to events that it did not write down, but not four billion between two blocks.
const ABOVE_LAST: u64 = 1 << 32;

/// Opens the journal below `state_dir` and gives the hub, and the task that announces the chain's changes from
/// where the last run ended.
pub(crate) async fn open(node: &Node, state_dir: &Path) -> (Arc<Hub>, ChainFeed) {
    let dir = state_dir.join(DIRECTORY);
    let chain = node.chain().to_string();
    let now = first_cursor(SystemTime::now());
    let opened = tokio::task::spawn_blocking(move || prepare(dir.as_path(), chain, now)).await;
    // It panics only by a mistake, and then the journal is a file less, not a core less.
    let prepared = opened.unwrap_or_else(|error| {
        let problems = vec![format!("the journal of events was not opened: {error}")];
        Prepared { first: now, left: None, journal: None, problems }
    });
    let Prepared { first, left, journal, problems } = prepared;
    for problem in problems {
        tracing::error!("{problem}");
    }
    let complete_after = left.as_ref().map_or(first, |left| left.begin.complete_after);
    let point = left.as_ref().and_then(|left| left.point);
    let events = left.map(|left| left.events).unwrap_or_default();
    let encoded = events.iter().map(|(record, message)| EncodedEvent {
        cursor: record.cursor,
        event_type: message.event_type,
        frame: record.frame.clone(),
    });
    let hub = Hub::with_past(first, Past { complete_after, events: encoded.collect() });
    let payloads = events.into_iter().map(|(_, message)| message.payload).collect();
    let start = Start { point, past: payloads, journal };
    let feed = ChainFeed::new(node.clone(), Arc::clone(&hub), start);
    (hub, feed)
}

struct Prepared {
    first: u64,
    left: Option<Left>,
    journal: Option<Journal>,
    /// For the operator.
    problems: Vec<String>,
}

fn prepare(dir: &Path, chain: String, now: u64) -> Prepared {
    let mut problems = Vec::new();
    let found = match read(dir) {
        Ok(left) => Some(left),
        Err(Unreadable::Missing) => None,
        Err(error) => {
            problems.push(format!(
                "events begin anew, and modules are told that some are missing: {ON_HOST} (as it is outside the \
                 sandbox): {error}; it is put aside as journal.damaged"
            ));
            if let Err(error) = put_aside(dir) {
                problems.push(format!("{ON_HOST} could not be put aside, and is overwritten: {error}"));
            }
            None
        }
    };
    // Cursors are not used again, whatever the clock and the chain say.
    let first = found.as_ref().map_or(now, |left| now.max(left.newest().saturating_add(ABOVE_LAST)));
    if let Some(other) = found.as_ref().map(|left| &left.begin.chain).filter(|other| **other != chain) {
        problems
            .push(format!("events begin anew: the last run followed the chain {other}, this one {chain}"));
    }
    let left = found.filter(|left| left.begin.chain == chain).map(bounded);
    let complete_after = left.as_ref().map_or(first, |left| left.begin.complete_after);
    let point = left.as_ref().and_then(|left| left.point);
    let kept = left.iter().flat_map(|left| &left.events).map(|(record, _)| record.clone()).collect();
    let begin = Begin { complete_after, first, chain };
    let (journal, written) = Journal::start(dir.to_owned(), begin, point, kept);
    if let Err(error) = written {
        problems.push(format!("{ON_HOST} (as it is outside the sandbox) cannot be written: {error}"));
    }
    Prepared { first, left, journal: Some(journal), problems }
}

/// The newest events of what was left, which can be twice as many as are kept.
fn bounded(mut left: Left) -> Left {
    let surplus = left.events.len().saturating_sub(KEPT_OF_CHAIN);
    if let Some((last, _)) = left.events.drain(..surplus).next_back() {
        left.begin.complete_after = last.cursor;
    }
    left
}

#[cfg(test)]
mod tests;
