//! A log that is opened again after a crash, a full disk, a rotation that was interrupted: nothing is lost, and the
//! chain goes on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cofferdam_audit::{Entry, Error, Hash, Log, Reader, Record, Rotation, verify};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    (folder, path)
}

fn open(path: &Path) -> Log {
    Log::open(path, Rotation::default()).unwrap()
}

fn record(text: &str) -> Record {
    Record::Stop { reason: text.into() }
}

fn entries(path: &Path) -> Vec<Entry> {
    Reader::open(path).unwrap().map(Result::unwrap).collect()
}

fn records(path: &Path) -> Vec<Record> {
    entries(path).into_iter().map(|entry| entry.record).collect()
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn a_log_that_is_opened_again_goes_on_with_its_chain() {
    let (_folder, path) = folder();
    open(&path).append(&record("one")).unwrap();
    let mut log = open(&path);
    let head = log.head();
    log.append(&record("two")).unwrap();
    let entries = entries(&path);
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((entries[0].prev, entries[1].prev), (Hash::ZERO, head));
}

/// How much room a file has on the disk, in bytes.
fn room(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn it_has_room_ahead_of_what_it_writes_and_ends_with_its_last_line_all_the_same() {
    let (_folder, path) = folder();
    let control = fs::File::create(sibling(&path, ".control")).unwrap();
    let flags = nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if let Err(errno) = nix::fcntl::fallocate(&control, flags, 0, 4096) {
        eprintln!("SKIPPED: the file system of the temporary directory reserves nothing: {errno}");
        return;
    }
    let mut log = open(&path);
    for number in 0..3000_u64 {
        log.append(&record(&format!("{number} {}", "x".repeat(100)))).unwrap();
        let bytes = fs::metadata(&path).unwrap().len();
        assert!(room(&path) >= bytes + 64 * 1024, "line {number}: {} for {bytes}", room(&path));
    }
    assert!(fs::read(&path).unwrap().ends_with(b"}\n"));
    drop(log);
    // As after a crash: nothing was taken back.
    open(&path).append(&record("after")).unwrap();
    assert_eq!(verify(&path, None).unwrap().lines, 3001);
}

#[test]
fn a_file_that_is_closed_keeps_no_room_ahead() {
    let (_folder, path) = folder();
    let mut log = Log::open(&path, Rotation { max_bytes: 10_000, keep: 2 }).unwrap();
    for number in 0..100_u64 {
        log.append(&record(&format!("{number} {}", "x".repeat(100)))).unwrap();
    }
    let closed = sibling(&path, ".1");
    assert!(room(&closed) <= fs::metadata(&closed).unwrap().len() + 16 * 1024, "{}", room(&closed));
    assert!(fs::metadata(&path).unwrap().len() < 10_000);
}

#[test]
fn only_its_user_may_read_it_whatever_the_mask_and_the_mode_were() {
    let (_folder, path) = folder();
    let _log = open(&path);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    drop(_log);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let _log = open(&path);
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_gone() {
    let (_folder, path) = folder();
    let first = open(&path);
    assert!(matches!(Log::open(&path, Rotation::default()), Err(Error::InUse { .. })));
    drop(first);
    open(&path);
}

#[test]
fn a_link_or_a_folder_in_its_place_is_refused_and_not_followed() {
    let (folder, path) = folder();
    let elsewhere = folder.path().join("elsewhere");
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(Log::open(&path, Rotation::default()), Err(Error::File { .. })));
    assert!(!elsewhere.exists());
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(Log::open(&path, Rotation::default()), Err(Error::File { .. })), "nor waited for");
}

/// A crash may leave any part of the last line.
#[test]
fn a_torn_line_of_any_length_is_kept_recorded_and_followed() {
    let (_folder, path) = folder();
    let mut log = open(&path);
    log.append(&record("one")).unwrap();
    let whole = fs::read(&path).unwrap();
    log.append(&record("two")).unwrap();
    let both = fs::read(&path).unwrap();
    drop(log);
    // The first byte, the last, and some between; each try waits for the disk.
    let ends = (whole.len() + 1..both.len()).step_by(60).chain([both.len() - 1]);
    for end in ends {
        let (_folder, path) = folder_with(&both[..end]);
        let torn = &both[whole.len()..end];
        assert!(matches!(verify(&path, None), Err(Error::Broken(_))), "the control: as it is, it is broken");
        let mut log = open(&path);
        log.append(&record("three")).unwrap();
        assert_eq!(fs::read(sibling(&path, ".torn-2")).unwrap(), torn);
        let recovered = Record::Recovered {
            bytes: u64::try_from(torn.len()).unwrap(),
            sha256: Hash::of(torn),
            kept_in: "log.jsonl.torn-2".into(),
        };
        assert_eq!(records(&path), [record("one"), recovered, record("three")]);
    }
}

fn folder_with(log: &[u8]) -> (TempDir, PathBuf) {
    let (folder, path) = folder();
    fs::write(&path, log).unwrap();
    (folder, path)
}

#[test]
fn a_crash_in_the_recovery_itself_loses_nothing() {
    let (_folder, path) = folder();
    open(&path).append(&record("one")).unwrap();
    let whole = fs::read(&path).unwrap();
    // It died when the torn line was copied but not cut off: the bytes are there twice, and both are told.
    let (_folder, path) = folder_with(&[&whole[..], b"{\"se"].concat());
    fs::write(sibling(&path, ".torn-2"), b"{\"se").unwrap();
    drop(open(&path));
    assert_eq!(fs::read(sibling(&path, ".torn-2-1")).unwrap(), b"{\"se");
    assert_eq!(records(&path).len(), 3);
    // It died when the line was cut off but not recorded.
    let (_folder, path) = folder_with(&whole);
    fs::write(sibling(&path, ".torn-2"), b"{\"se").unwrap();
    drop(open(&path));
    assert!(matches!(&records(&path)[1], Record::Recovered { bytes: 4, .. }));
    // And it is told once.
    drop(open(&path));
    assert_eq!(records(&path).len(), 2);
}

#[test]
fn a_power_failure_that_leaves_zeros_behind_the_last_line_is_recovered_from() {
    let (_folder, path) = folder();
    open(&path).append(&record("one")).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 8192]).unwrap();
    drop(open(&path));
    assert!(matches!(&records(&path)[1], Record::Recovered { bytes: 8192, .. }));
}

#[test]
fn a_last_line_that_was_changed_is_an_error_that_names_it_and_changes_nothing() {
    let (_folder, path) = folder();
    let mut log = open(&path);
    (0..3).for_each(|_| log.append(&record("x")).unwrap());
    drop(log);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 100;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = Log::open(&path, Rotation::default()).unwrap_err();
    assert!(matches!(&error, Error::Broken(broken) if broken.line == 3 && broken.file == path), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_chain_goes_across_files_and_only_so_many_are_kept() {
    let (_folder, path) = folder();
    let mut log = Log::open(&path, Rotation { max_bytes: 1000, keep: 3 }).unwrap();
    for number in 0..40 {
        log.append(&record(&number.to_string())).unwrap();
    }
    let verified = verify(&path, None).unwrap();
    assert!(verified.first_seq > 1 && verified.head == log.head(), "{verified:?}");
    let kept =
        (0..40).map(|number| record(&number.to_string())).filter(|record| records(&path).contains(record));
    assert!(kept.count() >= 4);
    assert_eq!(records(&path).last(), Some(&record("39")));
    let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 4, "the log and three older files");
    for suffix in ["", ".1", ".2", ".3"] {
        assert!(fs::metadata(sibling(&path, suffix)).unwrap().len() <= 1000, "{suffix}");
    }
}

#[test]
fn fewer_files_than_before_can_be_kept() {
    let (_folder, path) = folder();
    let write = |keep, lines| {
        let mut log = Log::open(&path, Rotation { max_bytes: 1000, keep }).unwrap();
        (0..lines).for_each(|_| log.append(&record("x")).unwrap());
    };
    write(6, 30);
    write(2, 5);
    assert!(verify(&path, None).unwrap().last_seq >= 35);
    assert!(sibling(&path, ".2").exists() && !sibling(&path, ".3").exists());
    assert!(verify(&path, None).unwrap().first_seq > 1, "rotation has removed older lines, and says so");
}

/// Wherever a rotation is interrupted, what is there is read as one chain and goes on.
#[test]
fn an_interrupted_rotation_leaves_a_log_that_goes_on() {
    let make = || {
        let (folder, path) = folder();
        let mut log = Log::open(&path, Rotation { max_bytes: 1000, keep: 20 }).unwrap();
        (0..12).for_each(|_| log.append(&record("x")).unwrap());
        assert!(sibling(&path, ".2").exists());
        (folder, path)
    };
    let (_folder, path) = make();
    let files = (1..).take_while(|number| sibling(&path, &format!(".{number}")).exists()).count();
    // The steps of a rotation, done up to each of them: a new file, the older ones renamed, the log renamed.
    for done in 0..=files + 2 {
        let (_folder, path) = make();
        if done > 0 {
            fs::write(sibling(&path, ".new"), "").unwrap();
        }
        for number in (1..=files).rev().take(done.saturating_sub(1)) {
            let to = sibling(&path, &format!(".{}", number + 1));
            fs::rename(sibling(&path, &format!(".{number}")), to).unwrap();
        }
        if done == files + 2 {
            fs::rename(&path, sibling(&path, ".1")).unwrap();
        }
        let before = verify(&path, None).unwrap().last_seq;
        let mut log = Log::open(&path, Rotation { max_bytes: 1000, keep: 20 }).unwrap();
        (0..12).for_each(|_| log.append(&record("y")).unwrap());
        let verified = verify(&path, None).unwrap();
        assert!(verified.last_seq >= before + 12, "after {done} steps: {verified:?}");
        let texts = |text| records(&path).iter().filter(|found| **found == record(text)).count();
        assert_eq!((texts("x"), texts("y")), (12, 12), "after {done} steps");
    }
}

#[test]
fn what_somebody_else_appended_is_never_cut_off() {
    let (_folder, path) = folder();
    let mut log = open(&path);
    log.append(&record("one")).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"forged\n").unwrap();
    log.append(&record("two")).unwrap();
    assert!(matches!(verify(&path, None), Err(Error::Broken(broken)) if broken.line == 2));
    assert!(fs::read_to_string(&path).unwrap().contains("forged\n"));
}

#[test]
fn there_is_no_log_where_nothing_was_written() {
    let (_folder, path) = folder();
    assert!(matches!(verify(&path, None), Err(Error::Missing { .. })));
    assert!(verify(&path.join("deeper/log.jsonl"), None).is_err());
    drop(open(&path));
    assert_eq!(verify(&path, None).unwrap().lines, 0);
}

#[test]
fn records_that_could_not_be_written_are_counted_in_the_log_itself() {
    let (_folder, path) = folder();
    let mut log = Log::open(&path, Rotation { max_bytes: 1, keep: 3 }).unwrap();
    log.append(&record("one")).unwrap();
    // A new file cannot be begun while something else has its name.
    fs::create_dir(sibling(&path, ".new")).unwrap();
    (0..3).for_each(|_| assert!(log.append(&record("lost")).is_err()));
    fs::remove_dir(sibling(&path, ".new")).unwrap();
    log.append(&record("two")).unwrap();
    let told = records(&path).into_iter().filter(|record| !matches!(record, Record::Continues { .. }));
    assert_eq!(told.collect::<Vec<_>>(), [record("one"), Record::Unwritten { count: 3 }, record("two")]);
}
