//! The audit log as somebody may have left it: read, verified, and gone on with.

use std::path::Path;

use cofferdam_audit::{Error, Hash, Log, Reader, Record, Rotation, verify};
use cofferdam_control::is_deceptive;

/// A file of the log, of any bytes.
pub(crate) fn audit_file(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("log.jsonl");
    std::fs::write(&path, whole_lines(bytes)).expect("the log is written");
    examine(&path);
    std::fs::write(&path, bytes).expect("the log is written");
    go_on(&path);
}

/// Records of any form in lines whose hashes are right, as only the writer makes them: what stands behind the hash is
/// not protected by it.
pub(crate) fn audit_records(bytes: &[u8]) {
    let mut log = Vec::new();
    let mut before = Hash::ZERO;
    for (index, record) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let head = format!(
            "{{\"seq\":{},\"time\":\"1970-01-01T00:00:00.000Z\",\"prev\":\"{before}\",\"record\":",
            index + 1
        );
        let hashed = [head.as_bytes(), record].concat();
        before = Hash::of(&hashed);
        log.extend_from_slice(&hashed);
        log.extend_from_slice(format!(",\"hash\":\"{before}\"}}\n").as_bytes());
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("log.jsonl");
    std::fs::write(&path, &log).expect("the log is written");
    examine(&path);
    go_on(&path);
}

/// A reader waits for the end of a torn line, which would take all the time there is; see [`go_on`] for torn ones.
fn whole_lines(bytes: &[u8]) -> Vec<u8> {
    let end: &[u8] = if bytes.is_empty() || bytes.ends_with(b"\n") { b"" } else { b"\n" };
    [bytes, end].concat()
}

/// What is handed out can be shown, and is as many lines as verification counts.
fn examine(path: &Path) {
    let mut lines = 0_u64;
    let mut is_whole = true;
    for entry in Reader::open(path).expect("the file is there") {
        let shown = match &entry {
            Ok(entry) => serde_json::to_string(entry).expect("an entry can be shown"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown.chars().find(|character| is_deceptive(*character)), None, "in {shown:?}");
        is_whole &= entry.is_ok();
        lines += u64::from(entry.is_ok());
    }
    match verify(path, None) {
        Ok(verified) => assert!(is_whole && verified.lines == lines),
        // All lines hold, but the log says itself that there were more.
        Err(Error::Broken(_)) => {}
        Err(other) => panic!("not a statement about the log: {other}"),
    }
}

/// Either the log is refused and not changed, or what is added is its valid end: a new writer never makes it worse.
fn go_on(path: &Path) {
    let before = std::fs::read(path).expect("the log is there");
    let mut log = match Log::open(path, Rotation::default()) {
        Ok(log) => log,
        Err(Error::Broken(_)) => {
            assert_eq!(
                std::fs::read(path).expect("the log is there"),
                before,
                "a refused log is not changed"
            );
            return;
        }
        Err(other) => panic!("not a statement about the log: {other}"),
    };
    log.append(&Record::Unwritten { count: 1 }).expect("there is room");
    let after = std::fs::read(path).expect("the log is there");
    let whole = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (kept, added) = (before.get(..whole).unwrap_or(&[]), after.get(whole..).unwrap_or(&[]));
    assert!(after.starts_with(kept), "whole lines are kept as they are");
    assert!(added.ends_with(b"\n"), "what was added ends whole");
    let ends = format!(",\"hash\":\"{}\"}}\n", log.head());
    assert!(after.ends_with(ends.as_bytes()), "and with the hash that is kept elsewhere");
}
