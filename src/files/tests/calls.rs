//! What each call does when nobody interferes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on says so"
)]

#[allow(dead_code, reason = "each test program uses its part")]
mod ground;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};

use cofferdam_files::{FilesError, Kind, MAX_READ_BYTES, MAX_SCANNED_ENTRIES, MAX_WRITE_BYTES};
use ground::{Ground, names};
use proptest::prelude::*;

#[test]
fn what_was_written_is_read_back_and_can_be_replaced_and_deleted() {
    let ground = Ground::new();
    let directory = ground.open();
    directory.create_directory("a").unwrap();
    directory.create_directory("a/b").unwrap();
    for content in ["first", "", "second, and longer"] {
        directory.write("a/b/c", content.as_bytes()).unwrap();
        let chunk = directory.read("a/b/c", 0, 100).unwrap();
        assert_eq!((chunk.bytes.as_slice(), chunk.total_bytes), (content.as_bytes(), content.len() as u64));
    }
    assert_eq!(names(&ground.data("a/b")), ["c"], "no unfinished file stays");
    assert_eq!(directory.metadata("a/b/c").unwrap().kind, Kind::File);
    assert_eq!(directory.metadata("a/b/c").unwrap().bytes, 18);
    assert_eq!(directory.metadata("").unwrap().kind, Kind::Directory);
    directory.delete("a/b/c").unwrap();
    directory.delete("a/b").unwrap();
    directory.delete("a").unwrap();
    assert_eq!(names(&ground.data("")), Vec::<String>::new());
}

#[test]
fn a_large_file_is_read_in_parts_of_a_mebibyte() {
    let ground = Ground::new();
    let directory = ground.open();
    let content: Vec<u8> = (0..MAX_READ_BYTES + 10).map(|n| (n % 251) as u8).collect();
    fs::write(ground.data("large"), &content).unwrap();
    let first = directory.read("large", 0, usize::MAX).unwrap();
    assert_eq!(first.bytes, content[..MAX_READ_BYTES]);
    assert_eq!(first.total_bytes, content.len() as u64);
    assert_eq!(directory.read("large", MAX_READ_BYTES as u64, 100).unwrap().bytes, content[MAX_READ_BYTES..]);
    assert_eq!(directory.read("large", 5, 3).unwrap().bytes, content[5..8]);
    for offset in [content.len() as u64, u64::MAX] {
        assert_eq!(directory.read("large", offset, 100).unwrap().bytes, b"");
    }
    assert_eq!(directory.read("large", 0, 0).unwrap().bytes, b"");
}

#[test]
fn a_sparse_file_of_an_exbibyte_costs_no_more_than_what_is_asked_for() {
    let ground = Ground::new();
    let file = fs::File::create(ground.data("sparse")).unwrap();
    let huge = (40..=60).rev().map(|bits| 1_u64 << bits).find(|bytes| file.set_len(*bytes).is_ok()).unwrap();
    let chunk = ground.open().read("sparse", huge - 4, 100).unwrap();
    assert_eq!((chunk.bytes.as_slice(), chunk.total_bytes), ([0; 4].as_slice(), huge));
    assert!(ground.open().usage().unwrap().bytes < 1024 * 1024);
}

#[test]
fn errors_say_what_is_wrong() {
    let ground = Ground::new();
    let directory = ground.open();
    directory.create_directory("d").unwrap();
    directory.write("d/f", b"x").unwrap();
    assert!(matches!(directory.read("none", 0, 1), Err(FilesError::NotFound { .. })));
    assert!(matches!(directory.write("none/f", b""), Err(FilesError::NotFound { .. })));
    assert!(matches!(directory.delete("none"), Err(FilesError::NotFound { .. })));
    assert!(matches!(directory.metadata("none"), Err(FilesError::NotFound { .. })));
    assert!(matches!(directory.list("none", None, 1), Err(FilesError::NotFound { .. })));
    assert!(matches!(directory.read("d", 0, 1), Err(FilesError::WrongKind { found: Kind::Directory, .. })));
    assert!(matches!(directory.write("d", b""), Err(FilesError::WrongKind { found: Kind::Directory, .. })));
    assert!(matches!(directory.read("d/f/g", 0, 1), Err(FilesError::NotADirectory { .. })));
    assert!(matches!(directory.list("d/f", None, 1), Err(FilesError::NotADirectory { .. })));
    assert!(matches!(directory.list("", None, 0), Err(FilesError::EmptyPage)));
    assert!(matches!(directory.delete("d"), Err(FilesError::NotEmpty { .. })));
    assert!(matches!(directory.create_directory("d"), Err(FilesError::AlreadyExists { .. })));
    assert!(matches!(directory.create_directory("d/f"), Err(FilesError::AlreadyExists { .. })));
    let long = vec![0; MAX_WRITE_BYTES + 1];
    assert!(matches!(directory.write("f", &long), Err(FilesError::TooLarge { .. })));
    assert_eq!(names(&ground.data("d")), ["f"]);
    assert_eq!(names(&ground.data("")), ["d"]);
}

#[test]
fn an_error_shows_no_raw_byte_of_a_path() {
    let error = Ground::new().open().read(&format!("\u{1b}[2J\n{}", "x".repeat(200)), 0, 1).unwrap_err();
    let text = error.to_string();
    assert!(
        !text.chars().any(char::is_control) && text.contains(r"\u{1b}[2J\n") && text.contains("..."),
        "{text}"
    );
}

#[test]
fn a_directory_is_listed_in_pages_each_name_once() {
    let ground = Ground::new();
    let directory = ground.open();
    fs::create_dir(ground.data("d")).unwrap();
    let all: Vec<String> = (0..25).map(|n| format!("d/{n:02}")).collect();
    all.iter().for_each(|path| directory.write(path, b"abc").unwrap());
    fs::write(ground.data("d/.cofferdam-tmp-0123"), "unfinished").unwrap();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = directory.list("d", after.as_deref(), 10).unwrap();
        assert!(page.entries.len() <= 10);
        assert!(page.entries.iter().all(|entry| (entry.kind, entry.bytes) == (Kind::File, 3)));
        found.extend(page.entries.into_iter().map(|entry| format!("d/{}", entry.name)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
}

#[test]
fn a_listing_says_what_each_entry_is_and_escapes_names_that_are_not_utf8() {
    let ground = Ground::new();
    fs::create_dir(ground.data("directory")).unwrap();
    symlink("/etc", ground.data("link")).unwrap();
    fs::write(ground.data("").join(OsStr::from_bytes(b"bad\xff")), "").unwrap();
    let page = ground.open().list("", None, 10).unwrap();
    let seen: Vec<_> =
        page.entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.is_escaped)).collect();
    assert_eq!(
        seen,
        [("/bad\\xff", Kind::File, true), ("directory", Kind::Directory, false), ("link", Kind::Link, false)]
    );
    assert!(matches!(ground.open().delete("/bad\\xff"), Err(FilesError::InvalidPath { .. })));
}

#[test]
fn a_directory_of_too_many_entries_is_an_error_and_not_a_wait() {
    let ground = Ground::new();
    let directory = ground.open();
    (0..=MAX_SCANNED_ENTRIES).for_each(|n| drop(fs::File::create(ground.data(&n.to_string())).unwrap()));
    assert!(matches!(directory.list("", None, 10), Err(FilesError::TooManyEntries { .. })));
    fs::remove_file(ground.data("7")).unwrap();
    assert_eq!(directory.list("", None, 10).unwrap().entries.len(), 10);
}

#[test]
fn files_that_a_crash_left_half_written_are_gone_at_the_next_start() {
    let ground = Ground::new();
    fs::create_dir_all(ground.data("a/b")).unwrap();
    for path in [".cofferdam-tmp-00", "a/b/.cofferdam-tmp-11", "a/b/kept"] {
        fs::write(ground.data(path), "half").unwrap();
    }
    let directory = ground.open();
    assert_eq!(names(&ground.data("")), ["a"]);
    assert_eq!(names(&ground.data("a/b")), ["kept"]);
    assert_eq!(directory.usage().unwrap().files, 3);
}

#[test]
fn a_new_file_has_the_mode_0660_and_a_directory_inherits_group_and_bit() {
    let ground = Ground::new();
    rustix::process::umask(rustix::fs::Mode::empty());
    fs::set_permissions(ground.data(""), std::os::unix::fs::PermissionsExt::from_mode(0o2770)).unwrap();
    let directory = ground.open();
    directory.create_directory("d").unwrap();
    directory.write("d/f", b"").unwrap();
    assert_eq!(fs::metadata(ground.data("d")).unwrap().mode() & 0o7777, 0o2770);
    assert_eq!(fs::metadata(ground.data("d/f")).unwrap().mode() & 0o7777, 0o660);
}

#[test]
fn a_reader_sees_the_old_content_or_the_new_and_nothing_between() {
    let ground = Ground::new();
    let directory = ground.open();
    let contents = [vec![b'a'; 200_000], vec![b'b'; 300_000]];
    directory.write("f", &contents[0]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (0..100).for_each(|round| directory.write("f", &contents[round % 2]).unwrap());
        });
        while !writer.is_finished() {
            assert!(contents.contains(&directory.read("f", 0, MAX_READ_BYTES).unwrap().bytes));
        }
    });
}

proptest! {
    #[test]
    fn no_string_leads_out_of_the_directory_or_to_a_panic(
        path in prop_oneof!["(\\.\\./|a/|/|\\./|outside|secret|\\.\\.|\\x00){0,6}", "\\PC{0,20}", "(?s).{0,8}"],
    ) {
        let ground = Ground::new();
        let directory = ground.open();
        let _result = directory.create_directory(&path);
        let _result = directory.write(&path, b"overwritten");
        let _result = directory.write(&format!("../{path}"), b"overwritten");
        let _result = directory.list(&path, Some(&path), 10);
        let _result = directory.metadata(&path);
        let _result = directory.delete(&path);
        let read = directory.read(&path, 0, 100);
        prop_assert!(read.is_err() || read.unwrap().bytes != b"secret");
        ground.outside_is_untouched();
    }
}
