//! Whatever is done to the files of a log that was written, it is found; and what cannot be found is stated.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_audit::{Argument, Denial, Error, Hash, Log, Record, Rotation, Verdict, verify};
use proptest::prelude::*;
use tempfile::TempDir;

/// A log of so many lines, in files of about this many bytes.
fn log(lines: u8, max_bytes: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = Log::open(&path, Rotation { max_bytes, keep: 100 }).unwrap();
    for number in 0..lines {
        log.append(&denial(u64::from(number % 3))).unwrap();
    }
    (folder, path)
}

fn denial(argument: u64) -> Record {
    let what = Denial::Syscall {
        name: "ptrace".into(),
        number: 101,
        arguments: [argument; 6].map(Argument),
        verdict: Verdict::Killed,
    };
    Record::Denial { subject: "escape-artist".into(), what }
}

const ONE_FILE: u64 = u64::MAX;

fn lines(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn broken_line(path: &Path) -> u64 {
    match verify(path, None) {
        Err(Error::Broken(broken)) => broken.line,
        other => panic!("not found: {other:?}"),
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut { at: prop::sample::Index },
    InsertByte { at: prop::sample::Index, byte: u8 },
    RemoveByte { at: prop::sample::Index },
    RemoveLine { line: prop::sample::Index },
    Swap { one: prop::sample::Index, other: prop::sample::Index },
    Repeat { line: prop::sample::Index, before: prop::sample::Index },
    Foreign { before: prop::sample::Index },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    use Mutation::*;
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 0_u8..8).prop_map(|(at, bit)| Flip { at, bit }),
        index().prop_map(|at| Cut { at }),
        (index(), any::<u8>()).prop_map(|(at, byte)| InsertByte { at, byte }),
        index().prop_map(|at| RemoveByte { at }),
        index().prop_map(|line| RemoveLine { line }),
        (index(), index()).prop_map(|(one, other)| Swap { one, other }),
        (index(), index()).prop_map(|(line, before)| Repeat { line, before }),
        index().prop_map(|before| Foreign { before }),
    ]
}

/// What the mutation makes of the log; `None` where it changes nothing or only cuts off whole lines at the end.
fn mutated(whole: &[Vec<u8>], mutation: &Mutation) -> Option<Vec<u8>> {
    let (mut lines, mut bytes) = (whole.to_vec(), whole.concat());
    match mutation {
        Mutation::Flip { at, bit } => *at.get_mut(&mut bytes) ^= 1 << bit,
        Mutation::Cut { at } => bytes.truncate(at.index(whole.concat().len())),
        Mutation::InsertByte { at, byte } => bytes.insert(at.index(whole.concat().len() + 1), *byte),
        Mutation::RemoveByte { at } => drop(bytes.remove(at.index(whole.concat().len()))),
        Mutation::RemoveLine { line } => drop(lines.remove(line.index(lines.len()))),
        Mutation::Swap { one, other } => lines.swap(one.index(whole.len()), other.index(whole.len())),
        Mutation::Repeat { line, before } => {
            lines.insert(before.index(whole.len() + 1), whole[line.index(whole.len())].clone());
        }
        // A whole, well-formed line of another log.
        Mutation::Foreign { before } => {
            let (_folder, path) = log(3, ONE_FILE);
            lines.insert(before.index(whole.len() + 1), self::lines(&path)[2].clone());
        }
    }
    if lines != whole {
        bytes = lines.concat();
    }
    let only_cut = whole.concat().starts_with(&bytes) && (bytes.is_empty() || bytes.ends_with(b"\n"));
    (!only_cut).then_some(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_a_log_is_found_without_knowing_anything_of_it(lines in 3_u8..12, mutation in mutation()) {
        let (_folder, path) = log(lines, ONE_FILE);
        let whole = self::lines(&path);
        prop_assert!(verify(&path, None).is_ok(), "the control");
        if let Some(changed) = mutated(&whole, &mutation) {
            fs::write(&path, changed).unwrap();
            let found = verify(&path, None);
            prop_assert!(matches!(found, Err(Error::Broken(_))), "{:?}", found);
        }
    }

    /// The same in any of several files, and for a file that is removed or changes places with another.
    #[test]
    fn a_change_in_any_file_of_a_rotated_log_is_found(file in 0_usize..4, mutation in mutation()) {
        let (_folder, path) = log(20, 2500);
        let of = |number: usize| PathBuf::from(format!("{}.{number}", path.display()));
        let target = if file == 0 { path.clone() } else { of(file) };
        let whole = self::lines(&target);
        prop_assert!(whole.len() >= 2 && verify(&path, None).is_ok(), "the control");
        // At the end of an older file even whole lines cannot be cut off: the next file follows them.
        let cut = (file > 0).then(|| whole[..whole.len() - 1].concat());
        for changed in [mutated(&whole, &mutation), cut].into_iter().flatten() {
            fs::write(&target, changed).unwrap();
            let found = verify(&path, None);
            prop_assert!(matches!(found, Err(Error::Broken(_))), "{:?}", found);
        }
    }
}

#[test]
fn the_place_of_the_change_is_named() {
    let (_folder, path) = log(5, ONE_FILE);
    let whole = lines(&path);
    let mut changed = whole.clone();
    changed[2][40] ^= 1;
    fs::write(&path, changed.concat()).unwrap();
    assert_eq!(broken_line(&path), 3);
    fs::write(&path, [&whole[..1], &whole[2..]].concat().concat()).unwrap();
    assert_eq!(broken_line(&path), 2, "where the removed line stood");
}

#[test]
fn a_file_that_is_removed_or_renamed_is_found() {
    let of = |path: &PathBuf, number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    let (_folder, path) = log(20, 2500);
    fs::remove_file(of(&path, 2)).unwrap();
    assert!(matches!(verify(&path, None), Err(Error::Broken(_))));
    let (_folder, path) = log(20, 2500);
    fs::rename(of(&path, 1), of(&path, 99)).unwrap();
    assert!(matches!(verify(&path, None), Err(Error::Broken(_))));
    let (_folder, path) = log(20, 2500);
    let oldest = (1..).take_while(|number| of(&path, *number).exists()).last().unwrap();
    fs::remove_file(of(&path, oldest)).unwrap();
    assert!(matches!(verify(&path, None), Err(Error::Broken(_))), "rotation has not removed it");
}

/// The limits of a log without a secret, as the documentation states them, and what closes both.
#[test]
fn lines_cut_off_at_the_end_and_a_log_made_anew_are_found_by_a_head_that_was_kept() {
    let (_folder, path) = log(5, ONE_FILE);
    let whole = lines(&path);
    let head = verify(&path, None).unwrap().head;
    let found = verify(&path, Some(head)).unwrap();
    assert_eq!((found.lines, found.known_seq), (5, Some(5)), "the control");

    fs::write(&path, whole[..4].concat()).unwrap();
    assert_eq!(verify(&path, None).unwrap().last_seq, 4, "without the head it is whole");
    assert!(matches!(verify(&path, Some(head)), Err(Error::HeadMissing { first: 1, last: 4, .. })));

    let (_other, anew) = log(6, ONE_FILE);
    assert!(verify(&anew, None).is_ok());
    assert!(matches!(verify(&anew, Some(head)), Err(Error::HeadMissing { .. })));
}

#[test]
fn a_head_that_was_kept_is_still_found_when_the_log_has_grown() {
    let (_folder, path) = log(5, ONE_FILE);
    let head = verify(&path, None).unwrap().head;
    let mut log = Log::open(&path, Rotation::default()).unwrap();
    log.append(&denial(1)).unwrap();
    let found = verify(&path, Some(head)).unwrap();
    assert_eq!((found.last_seq, found.known_seq), (6, Some(5)));
    assert_eq!(found.head, log.head());
    assert_ne!(found.head, Hash::ZERO);
}
