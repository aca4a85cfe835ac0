//! What a journal of an earlier run says, and whether it can be believed. Reads one file, and writes nothing.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use cofferdam_node::ChainPoint;
use cofferdam_protocol::{EventMessage, EventType, ModuleMessage};

use super::format::{self, Begin, Entry, Found, MAGIC};
use super::{FILE, Record};
use crate::events::CHAIN_TYPES;

/// The largest file that is read; a journal is made anew long before.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// What an earlier run left.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::events) struct Left {
    pub(in crate::events) begin: Begin,
    /// The last block that was announced.
    pub(in crate::events) point: Option<ChainPoint>,
    /// The events, in the order of their cursors, each with what it says.
    pub(in crate::events) events: Vec<(Record, EventMessage)>,
}

impl Left {
    /// The greatest cursor that the file knows of.
    pub(in crate::events) fn newest(&self) -> u64 {
        self.events.last().map_or(self.begin.first, |(record, _)| record.cursor.max(self.begin.first))
    }
}

/// Why there is nothing to go on from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::events) enum Unreadable {
    /// There is no file: this is the first run.
    #[error("there is none")]
    Missing,
    /// The disk does not give it.
    #[error("it cannot be read: {0}")]
    Io(String),
    /// It is not what a core wrote.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged {
        /// Where.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Reads the journal in `dir`.
///
/// # Errors
/// [`Unreadable`]. That its end is torn is no error: what was being written was not published.
pub(in crate::events) fn read(dir: &Path) -> Result<Left, Unreadable> {
    let io = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            Unreadable::Missing
        } else {
            Unreadable::Io(error.to_string())
        }
    };
    let mut bytes = Vec::new();
    let file = File::open(dir.join(FILE)).map_err(io)?;
    let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_FILE_BYTES) {
        return Err(Unreadable::Damaged { at: read, what: "it is larger than any journal" });
    }
    parse(&bytes)
}

/// The same for bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Left, Unreadable> {
    let damaged = |at, what| Unreadable::Damaged { at, what };
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(damaged(0, "it does not begin as a journal"))?;
    let at = |rest: &[u8]| bytes.len().saturating_sub(rest.len());
    // The file came to be by a rename, whole: its beginning cannot be torn.
    let Found::Entry(Entry::Begin(begin, point), length) = format::next(rest) else {
        return Err(damaged(at(rest), "its first record is not whole"));
    };
    rest = rest.get(length..).unwrap_or_default();
    let mut left = Left { begin, point, events: Vec::new() };
    while !rest.is_empty() {
        let (entry, length) = match format::next(rest) {
            Found::Entry(entry, length) => (entry, length),
            Found::Torn => break,
            Found::Damaged(what) => return Err(damaged(at(rest), what)),
        };
        left.take(entry).map_err(|what| damaged(at(rest), what))?;
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(left)
}

impl Left {
    fn take(&mut self, entry: Entry) -> Result<(), &'static str> {
        match entry {
            Entry::Begin(..) => return Err("a second beginning"),
            Entry::Standing(point) => self.point = Some(point),
            Entry::Event(record) => {
                let before = self.events.last().map_or(self.begin.complete_after, |(last, _)| last.cursor);
                if record.cursor <= before {
                    return Err("cursors that do not grow");
                }
                let message = message(&record).ok_or("an event that is none of the chain")?;
                self.point = record.point;
                self.events.push((record, message));
            }
        }
        Ok(())
    }
}

/// The event of a record, if its frame is one of the chain and has the record's cursor.
fn message(record: &Record) -> Option<EventMessage> {
    let (length, body) = record.frame.split_first_chunk::<4>()?;
    if usize::try_from(u32::from_be_bytes(*length)).ok()? != body.len() {
        return None;
    }
    let Ok(ModuleMessage::Event(event)) = cofferdam_protocol::decode(body) else { return None };
    let of_chain = CHAIN_TYPES.contains(&event.event_type) || event.event_type == EventType::EventsDropped;
    (event.cursor == record.cursor && of_chain).then_some(event)
}
