//! How keys, values and commits are written as bytes. Pure: never touches the database, and never trusts a length.

use crate::limits::Usage;
use crate::tree::TreeId;

/// A value above this is cut into chunks. sled writes a node that outgrows a quarter of a segment into a file of its own,
/// which it does not sync, and whose failed write would hang it; nodes hold up to about 20 entries. So entries stay small.
pub(crate) const CHUNK_BYTES: usize = 32 * 1024;
/// A commit above this is cut into parts, for the same reason.
pub(crate) const PART_BYTES: usize = 64 * 1024;

const NAMES: u8 = 0;
const ENTRIES: u8 = 1;
const CHUNKS: u8 = 2;
const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;
const FORMAT: u8 = 1;

/// What the whole store holds: written with each commit, compared with a count at each opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) usage: Usage,
    /// The sum of the checksums of all entries: a lost, stale or invented entry changes it.
    pub(crate) sum: u64,
}

/// The last commit: what it did, so that it can be done again, and what the store holds since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) totals: Totals,
    /// How many parts hold the changes; 0: they are in `changes`.
    pub(crate) parts: u32,
    pub(crate) changes: Vec<u8>,
}

/// A key of the database and its new value; `None` removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A value as an entry keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored<'record> {
    Whole(&'record [u8]),
    Chunked { bytes: usize, checksum: u32 },
}

/// What a key of the database is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'key> {
    Name(TreeId),
    Entry(TreeId, &'key [u8]),
    Chunk,
}

impl Stored<'_> {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Whole(value) => value.len(),
            Self::Chunked { bytes, .. } => *bytes,
        }
    }

    pub(crate) fn chunks(&self) -> usize {
        match self {
            Self::Whole(_) => 0,
            Self::Chunked { bytes, .. } => bytes.div_ceil(CHUNK_BYTES),
        }
    }
}

pub(crate) fn name_key(tree: TreeId) -> Vec<u8> {
    [&[NAMES][..], &tree.0.to_be_bytes()].concat()
}

pub(crate) fn entry_key(tree: TreeId, key: &[u8]) -> Vec<u8> {
    [&[ENTRIES][..], &tree.0.to_be_bytes(), key].concat()
}

/// The index has a fixed length, so that no two chunks share a key.
pub(crate) fn chunk_key(tree: TreeId, key: &[u8], index: usize) -> Vec<u8> {
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    [&[CHUNKS][..], &tree.0.to_be_bytes(), key, &index.to_be_bytes()].concat()
}

pub(crate) fn place(key: &[u8]) -> Option<Place<'_>> {
    let (space, rest) = key.split_first()?;
    let (tree, rest) = rest.split_first_chunk()?;
    let tree = TreeId(u32::from_be_bytes(*tree));
    match *space {
        NAMES if rest.is_empty() => Some(Place::Name(tree)),
        ENTRIES => Some(Place::Entry(tree, rest)),
        CHUNKS => Some(Place::Chunk),
        _ => None,
    }
}

/// The record that an entry keeps for `value`, to be followed by its chunks if it is [`Stored::Chunked`].
pub(crate) fn record(value: &[u8]) -> Vec<u8> {
    if value.len() <= CHUNK_BYTES {
        return [&[WHOLE][..], value].concat();
    }
    let bytes = u32::try_from(value.len()).unwrap_or(u32::MAX);
    [&[CHUNKED][..], &bytes.to_be_bytes(), &crc32fast::hash(value).to_be_bytes()].concat()
}

pub(crate) fn stored(record: &[u8]) -> Option<Stored<'_>> {
    let (kind, mut rest) = record.split_first()?;
    match *kind {
        WHOLE => Some(Stored::Whole(rest)),
        CHUNKED => {
            let bytes = usize::try_from(u32_from(&mut rest)?).ok()?;
            let checksum = u32_from(&mut rest)?;
            rest.is_empty().then_some(Stored::Chunked { bytes, checksum })
        }
        _ => None,
    }
}

/// The share of one record in [`Totals::sum`].
pub(crate) fn checksum(key: &[u8], record: &[u8]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(record);
    // Multiplied so that the sum of many fills all 64 bits.
    u64::from(hasher.finalize()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Totals { usage, sum } = self.totals;
        let mut bytes = vec![FORMAT];
        for number in [self.sequence, usage.bytes, usage.keys, sum] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(usage.trees.to_be_bytes());
        bytes.extend(self.parts.to_be_bytes());
        bytes.extend(&self.changes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, mut rest) = bytes.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let sequence = u64_from(&mut rest)?;
        let (bytes, keys) = (u64_from(&mut rest)?, u64_from(&mut rest)?);
        let sum = u64_from(&mut rest)?;
        let trees = u32_from(&mut rest)?;
        let parts = u32_from(&mut rest)?;
        let totals = Totals { usage: Usage { bytes, keys, trees }, sum };
        Some(Self { sequence, totals, parts, changes: rest.to_vec() })
    }
}

pub(crate) fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Change { key, value } in changes {
        put(&mut bytes, key);
        bytes.push(u8::from(value.is_some()));
        put(&mut bytes, value.as_deref().unwrap_or_default());
    }
    bytes
}

pub(crate) fn decode_changes(mut rest: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let key = take(&mut rest)?.to_vec();
        let (present, after) = rest.split_first()?;
        rest = after;
        let value = take(&mut rest)?;
        changes.push(Change { key, value: (*present == 1).then(|| value.to_vec()) });
    }
    Some(changes)
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(field);
}

fn take<'bytes>(rest: &mut &'bytes [u8]) -> Option<&'bytes [u8]> {
    let length = usize::try_from(u32_from(rest)?).ok()?;
    let (field, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

fn u32_from(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn u64_from(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change =
            (any::<Vec<u8>>(), any::<Option<Vec<u8>>>()).prop_map(|(key, value)| Change { key, value });
        proptest::collection::vec(change, 0..8)
    }

    proptest! {
        #[test]
        fn changes_are_read_back_as_they_were_written(changes in changes()) {
            prop_assert_eq!(decode_changes(&encode_changes(&changes)), Some(changes));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
            let _ = decode_changes(&bytes);
            let _ = Head::decode(&bytes);
            let _ = stored(&bytes);
            let _ = place(&bytes);
        }

        #[test]
        fn a_head_is_read_back_as_it_was_written(sequence: u64, bytes: u64, keys: u64, trees: u32, sum: u64, parts: u32,
            changes: Vec<u8>) {
            let totals = Totals { usage: Usage { bytes, keys, trees }, sum };
            let head = Head { sequence, totals, parts, changes };
            prop_assert_eq!(Head::decode(&head.encode()), Some(head));
        }

        #[test]
        fn a_record_says_how_long_its_value_is(length in 0_usize..3 * CHUNK_BYTES) {
            let value = vec![7; length];
            prop_assert_eq!(stored(&record(&value)).map(|stored| stored.bytes()), Some(length));
        }
    }
}
