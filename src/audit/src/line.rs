//! One line: its form, its hash, and what makes it follow another.
//!
//! `{"seq":2,"time":"…","prev":"<hash of line 1>","record":{…},"hash":"<hash of this line>"}` and a line feed. The hash
//! is that of all bytes before `,"hash"`; what stands behind is fixed. So each byte of a line is either hashed, or
//! the hash, or the same in every line.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Flaw};
use crate::time::rfc3339;
use crate::{Hash, Record, Text};

/// The longest line, in bytes. The longest record, a launch with all its lists, is a tenth of it.
pub(crate) const MAX_LINE_BYTES: usize = 128 * 1024;

const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}\n";

/// The last line of a log, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its number.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Hash,
}

impl Head {
    /// Of a log without lines.
    pub(crate) const NONE: Self = Self { seq: 0, hash: Hash::ZERO };
}

/// A line that was read. Its own hash holds; that it follows the line before it is for the reader to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written, by the machine's clock: RFC 3339, UTC, with milliseconds.
    pub time: Text,
    /// The hash of the line before it.
    pub prev: Hash,
    /// What happened.
    pub record: Record,
    /// Its own hash.
    pub hash: Hash,
}

impl Entry {
    pub(crate) fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

#[derive(Serialize)]
struct Written<'r> {
    seq: u64,
    time: String,
    prev: Hash,
    record: &'r Record,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    seq: u64,
    time: Text,
    prev: Hash,
    record: Record,
}

/// The line that follows `before`.
pub(crate) fn encode(before: Head, now: SystemTime, record: &Record) -> Result<(Vec<u8>, Head), Error> {
    let seq = before.seq.saturating_add(1);
    let written = Written { seq, time: rfc3339(now), prev: before.hash, record };
    let mut line = serde_json::to_vec(&written).map_err(Error::Encode)?;
    // Without the closing brace: the hash is the last field of the object.
    line.pop();
    let hash = Hash::of(&line);
    line.extend_from_slice(BEFORE_HASH);
    line.extend_from_slice(hash.to_string().as_bytes());
    line.extend_from_slice(AFTER_HASH);
    if line.len() > MAX_LINE_BYTES { Err(Error::TooLong(line.len())) } else { Ok((line, Head { seq, hash })) }
}

/// Reads a line with its line feed.
pub(crate) fn decode(line: &[u8]) -> Result<Entry, Flaw> {
    if line.len() > MAX_LINE_BYTES {
        return Err(Flaw::TooLong);
    }
    if line.last() != Some(&b'\n') {
        return Err(Flaw::Torn);
    }
    let no_hash = || Flaw::Malformed("it does not end with its hash".to_owned());
    let rest = line.strip_suffix(AFTER_HASH).ok_or_else(no_hash)?;
    let (rest, digits) =
        rest.split_at_checked(rest.len().saturating_sub(Hash::DIGITS)).ok_or_else(no_hash)?;
    let hashed = rest.strip_suffix(BEFORE_HASH).ok_or_else(no_hash)?;
    let stated: Option<Hash> = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    let hash = stated.ok_or_else(no_hash)?;
    if Hash::of(hashed) != hash {
        return Err(Flaw::Changed);
    }
    let object = [hashed, b"}"].concat();
    let Read { seq, time, prev, record } = serde_json::from_slice(&object).map_err(|error| {
        // The error quotes the line, which whoever can write the log has chosen: escape sequences and all.
        let error = Text::new(&error.to_string());
        Flaw::Malformed(format!("{error} (was it written by a newer cofferdam?)"))
    })?;
    Ok(Entry { seq, time, prev, record, hash })
}

/// Whether the entry may come after `before`; `None` for the first line of the oldest file, whose predecessors may
/// have been removed by rotation.
pub(crate) fn follows(entry: &Entry, before: Option<Head>) -> Result<(), Flaw> {
    let Some(before) = before else { return Ok(()) };
    let expected = before.seq.saturating_add(1);
    if entry.seq != expected {
        return Err(Flaw::OutOfOrder { expected, found: entry.seq });
    }
    if entry.prev == before.hash { Ok(()) } else { Err(Flaw::Unchained) }
}

/// Whether a file may begin with the entry.
pub(crate) fn begins(entry: &Entry) -> Result<(), Flaw> {
    let is_first = entry.seq == 1 && entry.prev == Hash::ZERO;
    let continues = entry.seq > 1 && matches!(entry.record, Record::Continues { .. });
    if is_first || continues { Ok(()) } else { Err(Flaw::FalseStart) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, Denial, Limit, Verdict};
    use std::collections::BTreeMap;

    fn all() -> Vec<Record> {
        let subject = Text::new("tip-log");
        let denials = [
            Denial::Api { call: "get_block".into(), needs: "read_blockchain".into() },
            Denial::Syscall {
                name: "ptrace".into(),
                number: 101,
                arguments: [u64::MAX, 0, 1, 2, 3, 4].map(Argument),
                verdict: Verdict::Killed,
            },
            Denial::Syscall {
                name: "socket".into(),
                number: 41,
                arguments: [2, 1, 0, 0, 0, 0].map(Argument),
                verdict: Verdict::Refused("EPERM".into()),
            },
            Denial::Limit { which: Limit::Output, detail: "400 lines were not shown".into() },
        ];
        let denials = denials.map(|what| Record::Denial { subject: subject.clone(), what });
        let others = [
            Record::Start { version: "0.1.0".into(), config_sha256: Hash::of(b"config") },
            Record::Launch {
                subject: subject.clone(),
                manifest_sha256: Some(Hash::of(b"manifest")),
                program_sha256: Hash::of(b"program"),
                profile_sha256: Hash::of(b"profile"),
                layers: vec!["seccomp".into(), "landlock abi 7".into()],
                weakened_by: vec![],
                granted: vec!["read_blockchain".into()],
                signed_by: Some(crate::Signer {
                    name: Text::new("A"),
                    key: Text::new("RW"),
                    comment: Text::new("c"),
                }),
            },
            Record::Exit {
                subject: subject.clone(),
                end: "exited".into(),
                reason: "exited with status 0".into(),
            },
            Record::Suppressed {
                subject: subject.clone(),
                counts: BTreeMap::from([("syscall ptrace".into(), 7)]),
            },
            Record::Grant { module: subject, added: vec!["read_utxo".into()], removed: vec![] },
            Record::Recovered { bytes: 3, sha256: Hash::of(b"{\"s"), kept_in: "log.jsonl.torn-2".into() },
            Record::Unwritten { count: 2 },
            Record::Continues { oldest: Some(1) },
            Record::Stop { reason: "asked to".into() },
        ];
        denials.into_iter().chain(others).collect()
    }

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let mut head = Head::NONE;
        for record in all() {
            let (line, next) = encode(head, SystemTime::now(), &record).unwrap();
            let entry = decode(&line).unwrap();
            assert_eq!((&entry.record, entry.head(), entry.prev), (&record, next, head.hash));
            assert_eq!(follows(&entry, Some(head)), Ok(()));
            head = next;
        }
    }

    #[test]
    fn the_form_of_a_line_is_what_the_documentation_says() {
        let record = Record::Unwritten { count: 2 };
        let (line, head) = encode(Head::NONE, SystemTime::UNIX_EPOCH, &record).unwrap();
        let zero = "0".repeat(64);
        let hashed = format!(
            "{{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"prev\":\"{zero}\",\
             \"record\":{{\"event\":\"unwritten\",\"count\":2}}"
        );
        assert_eq!(String::from_utf8(line).unwrap(), format!("{hashed},\"hash\":\"{}\"}}\n", head.hash));
        assert_eq!(head.hash, Hash::of(hashed.as_bytes()));
    }

    #[test]
    fn every_changed_byte_of_a_line_is_found_without_any_other_line() {
        for record in all() {
            let (line, _) = encode(Head::NONE, SystemTime::now(), &record).unwrap();
            for at in 0..line.len() {
                for bit in 0..8 {
                    let mut changed = line.clone();
                    changed[at] ^= 1 << bit;
                    assert!(decode(&changed).is_err(), "byte {at}, bit {bit} of {record:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_said_of_a_forged_line_does_not_act_on_a_terminal() {
        let zero = "0".repeat(64);
        let hashed = format!(
            "{{\"seq\":1,\"time\":\"t\",\"prev\":\"{zero}\",\"record\":{{\"event\":\"a\\u001b[2J\u{202e}\"}}"
        );
        let line = format!("{hashed},\"hash\":\"{}\"}}\n", Hash::of(hashed.as_bytes()));
        let Err(Flaw::Malformed(said)) = decode(line.as_bytes()) else { panic!("it is not malformed") };
        assert!(said.starts_with("unknown variant `a\\u{1b}[2J\\u{202e}`"), "{said}");
        assert!(!said.chars().any(|character| character.is_control() || character == '\u{202e}'), "{said:?}");
    }

    #[test]
    fn a_record_that_is_too_long_is_refused_and_not_cut() {
        let long: Vec<Text> = (0..100).map(|_| "x".repeat(Text::MAX_BYTES).into()).collect();
        let record = Record::Grant { module: "a".into(), added: long, removed: vec![] };
        assert!(matches!(encode(Head::NONE, SystemTime::now(), &record), Err(Error::TooLong(_))));
    }

    #[test]
    fn a_file_begins_with_line_one_or_by_continuing_another() {
        let entry = |seq, prev, record| {
            let (line, _) = encode(Head { seq, hash: prev }, SystemTime::now(), &record).unwrap();
            decode(&line).unwrap()
        };
        let (other, continues) = (Record::Unwritten { count: 1 }, Record::Continues { oldest: None });
        assert_eq!(begins(&entry(0, Hash::ZERO, other.clone())), Ok(()));
        assert_eq!(begins(&entry(5, Hash::of(b"five"), continues.clone())), Ok(()));
        assert_eq!(begins(&entry(0, Hash::of(b"none"), other.clone())), Err(Flaw::FalseStart));
        assert_eq!(begins(&entry(5, Hash::of(b"five"), other)), Err(Flaw::FalseStart));
        assert_eq!(begins(&entry(0, Hash::of(b"none"), continues)), Err(Flaw::FalseStart));
    }
}
