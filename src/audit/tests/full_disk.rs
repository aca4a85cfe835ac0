//! A disk that is full in the middle of a line, as the kernel shows it: a write that takes a part. The limit of a
//! file's size does the same; it is the process's, so this is the only test here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;

use cofferdam_audit::{Error, Log, Reader, Record, Rotation, verify};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

#[test]
fn a_line_that_the_disk_takes_in_part_is_taken_back_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let mut log = Log::open(&path, Rotation::default()).unwrap();
    let record = |text: &str| Record::Stop { reason: text.into() };
    log.append(&record("one")).unwrap();
    let whole = fs::metadata(&path).unwrap().len();

    // Without this the kernel would kill instead of answering.
    let mut too_large = SigSet::empty();
    too_large.add(Signal::SIGXFSZ);
    too_large.thread_block().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, whole + 50, hard).unwrap();
    for _ in 0..2 {
        assert!(matches!(log.append(&record("lost")), Err(Error::File { .. })));
        assert_eq!(fs::metadata(&path).unwrap().len(), whole, "nothing of it is left");
        assert_eq!(verify(&path, None).unwrap().lines, 1);
    }
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();

    log.append(&record("two")).unwrap();
    let records: Vec<Record> = Reader::open(&path).unwrap().map(|entry| entry.unwrap().record).collect();
    assert_eq!(records, [record("one"), Record::Unwritten { count: 2 }, record("two")]);
}
