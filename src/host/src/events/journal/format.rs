//! How the journal looks as bytes: a magic line, then records. A record is a head (the length of its body, and a
//! check of that length) and a body with a check of its own, so that a damaged length cannot
//! pass for the torn end of a file. Pure: bytes in, values out; no bytes make it panic or take much memory.

use bitcoin::BlockHash;
use bitcoin::hashes::{Hash, sha256};
use bytes::Bytes;
use cofferdam_node::ChainPoint;

use super::Record;

/// The first bytes of every journal; the number is that of the format.
pub(super) const MAGIC: &[u8] = b"cofferdam events 1\n";

/// The longest body of a record: an event of the chain takes some 200 bytes.
const MAX_BODY: usize = 4096;

/// The head: four bytes of length and four of check.
const HEAD: usize = 8;
/// The check of a body.
const CHECK: usize = 8;

const KIND_BEGIN: u8 = 1;
const KIND_EVENT: u8 = 2;
const KIND_STANDING: u8 = 3;

/// The first record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::events) struct Begin {
    /// Every event of the chain after this cursor is in the file.
    pub(in crate::events) complete_after: u64,
    /// The cursor before the first event of the run that made the file.
    pub(in crate::events) first: u64,
    /// The chain that the events are of, by its name.
    pub(in crate::events) chain: String,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Begin(Begin, Option<ChainPoint>),
    Event(Record),
    Standing(ChainPoint),
}

/// What stands at some place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record, and how many bytes it takes.
    Entry(Entry, usize),
    /// The end of the file, in the middle of what was being written.
    Torn,
    /// What no core wrote.
    Damaged(&'static str),
}

/// The magic line and the first record.
pub(super) fn begin(begin: &Begin, point: Option<ChainPoint>) -> Vec<u8> {
    let mut body = vec![KIND_BEGIN];
    body.extend(begin.complete_after.to_le_bytes());
    body.extend(begin.first.to_le_bytes());
    put_point(&mut body, point);
    body.extend(begin.chain.as_bytes());
    [MAGIC.to_vec(), record(&body)].concat()
}

/// The record of an event.
pub(super) fn event(event: &Record) -> Vec<u8> {
    let mut body = vec![KIND_EVENT];
    body.extend(event.cursor.to_le_bytes());
    put_point(&mut body, event.point);
    body.extend_from_slice(&event.frame);
    record(&body)
}

/// The record of where the chain stands.
pub(super) fn standing(point: ChainPoint) -> Vec<u8> {
    let mut body = vec![KIND_STANDING];
    put_point(&mut body, Some(point));
    record(&body)
}

pub(super) fn record(body: &[u8]) -> Vec<u8> {
    // A body is far shorter than the greatest length; see MAX_BODY.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    [length.as_slice(), head_check(length).as_slice(), body_check(body).as_slice(), body].concat()
}

/// Reads the record at the beginning of `rest`, which is the rest of a file and not empty.
pub(super) fn next(rest: &[u8]) -> Found {
    let Some((length, after)) = rest.split_first_chunk::<4>() else { return Found::Torn };
    let Some((check, after)) = after.split_first_chunk::<4>() else { return Found::Torn };
    if head_check(*length) != *check {
        // Where the power failed a file can be longer than what was written of it, and is zero there.
        let never_written = rest.iter().all(|byte| *byte == 0);
        return if never_written { Found::Torn } else { Found::Damaged("a head does not match its check") };
    }
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_BODY {
        return Found::Damaged("a record is longer than any");
    }
    let Some((check, after)) = after.split_first_chunk::<CHECK>() else { return Found::Torn };
    let Some((body, behind)) = after.split_at_checked(length) else { return Found::Torn };
    if body_check(body) != *check {
        let is_last = behind.iter().all(|byte| *byte == 0);
        return if is_last { Found::Torn } else { Found::Damaged("a record does not match its check") };
    }
    match parse(body) {
        Some(entry) => Found::Entry(entry, HEAD + CHECK + length),
        None => Found::Damaged("a record is none of this version"),
    }
}

fn parse(body: &[u8]) -> Option<Entry> {
    let (kind, body) = body.split_first()?;
    match *kind {
        KIND_BEGIN => {
            let (complete_after, body) = take_u64(body)?;
            let (first, body) = take_u64(body)?;
            let (point, chain) = take_point(body)?;
            let chain = String::from_utf8(chain.to_vec()).ok()?;
            Some(Entry::Begin(Begin { complete_after, first, chain }, point))
        }
        KIND_EVENT => {
            let (cursor, body) = take_u64(body)?;
            let (point, frame) = take_point(body)?;
            Some(Entry::Event(Record { cursor, point, frame: Bytes::copy_from_slice(frame) }))
        }
        KIND_STANDING => match take_point(body)? {
            (Some(point), []) => Some(Entry::Standing(point)),
            _ => None,
        },
        _ => None,
    }
}

fn put_point(body: &mut Vec<u8>, point: Option<ChainPoint>) {
    body.push(u8::from(point.is_some()));
    if let Some(ChainPoint { hash, height }) = point {
        body.extend(height.to_le_bytes());
        body.extend(hash.to_byte_array());
    }
}

fn take_point(body: &[u8]) -> Option<(Option<ChainPoint>, &[u8])> {
    let (present, body) = body.split_first()?;
    match *present {
        0 => Some((None, body)),
        1 => {
            let (height, body) = body.split_first_chunk::<4>()?;
            let (hash, body) = body.split_first_chunk::<32>()?;
            let point =
                ChainPoint { hash: BlockHash::from_byte_array(*hash), height: u32::from_le_bytes(*height) };
            Some((Some(point), body))
        }
        _ => None,
    }
}

fn take_u64(body: &[u8]) -> Option<(u64, &[u8])> {
    let (number, body) = body.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), body))
}

fn head_check(length: [u8; 4]) -> [u8; 4] {
    first(sha256::Hash::hash(&length))
}

fn body_check(body: &[u8]) -> [u8; CHECK] {
    first(sha256::Hash::hash(body))
}

fn first<const N: usize>(hash: sha256::Hash) -> [u8; N] {
    hash.to_byte_array().first_chunk().copied().unwrap_or([0; N])
}
