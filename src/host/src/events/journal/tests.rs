#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever it does not expect")]

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use cofferdam_protocol::{EventMessage, EventPayload};
use proptest::prelude::*;

use super::read::{Left, Unreadable, parse, read};
use super::*;
use crate::session::wire;

fn point(height: u32) -> ChainPoint {
    let byte = u8::try_from(height % 251).unwrap();
    ChainPoint { hash: BlockHash::from_byte_array([byte; 32]), height }
}

fn record(cursor: u64) -> Record {
    let height = u32::try_from(cursor).unwrap();
    let payload = EventPayload::BlockDisconnected { hash: point(height).hash.into(), height };
    let frame = wire::encode_event(EventMessage::new(cursor, payload)).unwrap();
    Record { cursor, point: (!cursor.is_multiple_of(3)).then_some(point(height)), frame }
}

fn begin() -> Begin {
    Begin { complete_after: 7, first: 7, chain: "regtest".to_owned() }
}

fn records(left: &Left) -> Vec<Record> {
    left.events.iter().map(|(record, _)| record.clone()).collect()
}

fn file(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join(FILE)
}

/// A journal with three events, and its bytes.
fn written() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, started) =
        Journal::start(dir.path().to_owned(), begin(), Some(point(8)), vec![record(8)]);
    started.unwrap();
    journal.append(&[record(10), record(11)]).unwrap();
    let bytes = fs::read(file(&dir)).unwrap();
    (dir, bytes)
}

#[test]
fn what_was_written_is_read_by_the_next_run() {
    let (dir, _) = written();
    let left = read(dir.path()).unwrap();
    assert_eq!(left.begin, begin());
    assert_eq!(records(&left), [record(8), record(10), record(11)]);
    assert_eq!((left.point, left.newest()), (Some(point(11)), 11));
}

#[test]
fn where_the_chain_stands_is_kept_without_any_event() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::start(dir.path().to_owned(), begin(), None, Vec::new());
    assert_eq!(read(dir.path()).unwrap().point, None);
    journal.stand_at(point(3)).unwrap();
    assert_eq!(read(dir.path()).unwrap().point, Some(point(3)));
}

#[test]
fn the_first_run_has_none() {
    assert_eq!(read(tempfile::tempdir().unwrap().path()), Err(Unreadable::Missing));
}

#[test]
fn whenever_a_write_was_cut_off_what_is_left_is_what_came_before_it() {
    let (_dir, bytes) = written();
    let whole = [record(8), record(10), record(11)];
    let start = format::begin(&begin(), Some(point(8))).len();
    for length in start..=bytes.len() {
        let left = parse(&bytes[..length]).unwrap();
        let found = records(&left);
        assert!(whole.starts_with(&found), "{length}");
        assert_eq!(left.events.last().map_or(Some(point(8)), |(record, _)| record.point), left.point);
    }
    // The beginning came by a rename: a file without it is no torn one.
    for length in 0..start {
        assert!(matches!(parse(&bytes[..length]), Err(Unreadable::Damaged { .. })), "{length}");
    }
}

#[test]
fn a_file_that_is_longer_than_what_was_written_of_it_is_read_up_to_there() {
    let (_dir, bytes) = written();
    for zeros in [1, 4, 8, 100, 5000] {
        let padded = [bytes.clone(), vec![0; zeros]].concat();
        assert_eq!(records(&parse(&padded).unwrap()).len(), 3);
    }
}

#[test]
fn no_byte_can_change_without_its_being_noticed() {
    let (_dir, bytes) = written();
    let last = bytes.len() - format::event(&record(11)).len();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        match parse(&damaged) {
            Err(Unreadable::Damaged { .. }) => {}
            // In the last record it cannot be told from a write that was cut off.
            Ok(left) if at >= last => assert_eq!(records(&left), [record(8), record(10)]),
            other => panic!("at {at}: {other:?}"),
        }
    }
}

#[test]
fn a_journal_stays_bounded_and_says_from_where_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::start(dir.path().to_owned(), begin(), None, Vec::new());
    let many = u64::try_from(3 * RECORDS_IN_FILE).unwrap();
    for first in (8..8 + many).step_by(64) {
        let batch: Vec<_> = (first..first + 64).map(record).collect();
        journal.append(&batch).unwrap();
        assert!(fs::metadata(file(&dir)).unwrap().len() < 1024 * 1024);
    }
    let left = read(dir.path()).unwrap();
    let kept = records(&left);
    assert!(kept.len() >= KEPT_OF_CHAIN && kept.len() <= RECORDS_IN_FILE);
    assert_eq!(left.begin.complete_after + 1, kept[0].cursor);
    assert_eq!(kept.last(), Some(&record(7 + many)));
}

#[test]
fn a_write_that_failed_is_made_up_for_by_the_next() {
    let (dir, _) = written();
    let (mut journal, _) = Journal::start(dir.path().to_owned(), begin(), None, vec![record(8)]);
    // The next write meets a file that cannot be written, and the one after that a directory that is gone.
    journal.file = Some(File::open(file(&dir)).unwrap());
    assert!(journal.append(&[record(9)]).is_err());
    let aside = tempfile::tempdir().unwrap();
    let moved = aside.path().join("events");
    fs::rename(dir.path(), &moved).unwrap();
    fs::write(dir.path(), "in the way").unwrap();
    assert!(journal.append(&[record(10)]).is_err());
    fs::remove_file(dir.path()).unwrap();
    fs::rename(&moved, dir.path()).unwrap();
    journal.append(&[record(11)]).unwrap();
    let left = read(dir.path()).unwrap();
    assert_eq!(records(&left), [record(8), record(9), record(10), record(11)]);
}

#[test]
fn a_file_that_is_put_aside_is_kept_once() {
    let (dir, bytes) = written();
    put_aside(dir.path()).unwrap();
    assert_eq!(read(dir.path()), Err(Unreadable::Missing));
    assert_eq!(fs::read(dir.path().join(DAMAGED)).unwrap(), bytes);
}

proptest! {
    #[test]
    fn no_content_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse(&bytes);
        let _ = parse(&[format::begin(&begin(), None), bytes].concat());
    }

    #[test]
    fn no_body_with_right_checks_makes_the_reader_panic(
        kind in 0_u8..5,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let event = Record { cursor: 9, point: None, frame: Bytes::from(body.clone()) };
        let _ = parse(&[format::begin(&begin(), None), format::event(&event)].concat());
        let any_kind = [vec![kind], body].concat();
        let _ = parse(&[format::begin(&begin(), None), format::record(&any_kind)].concat());
    }

    #[test]
    fn random_damage_is_an_error_or_leaves_a_true_beginning(
        at in 0_usize..1000,
        with in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let (_dir, mut bytes) = written();
        let at = at % bytes.len();
        for (place, byte) in bytes.iter_mut().skip(at).zip(with) {
            *place = byte;
        }
        if let Ok(left) = parse(&bytes) {
            prop_assert!([record(8), record(10), record(11)].starts_with(&records(&left)));
        }
    }
}
