//! How much the host writes, whatever the module does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

#[allow(dead_code, reason = "each test program uses its part")]
mod ground;

use std::fs;
use std::time::{Duration, Instant};

use cofferdam_files::{DataDirectory, FilesError, MAX_QUOTA_FILES, Quota};
use ground::{Ground, in_own_mounts, names, root_for};

const SMALL: Quota = Quota { bytes: 64 * 1024, files: 8 };

fn is_full(result: Result<(), FilesError>, of: &str) -> bool {
    matches!(result, Err(FilesError::QuotaExceeded { unit, .. }) if unit == of)
}

#[test]
fn a_write_beyond_the_bytes_is_refused_and_leaves_the_old_file() {
    let ground = Ground::new();
    let directory = ground.open_with(SMALL);
    directory.write("f", b"old").unwrap();
    assert!(is_full(directory.write("f", &[0; 64 * 1024]), "bytes"));
    assert_eq!(directory.read("f", 0, 10).unwrap().bytes, b"old");
    assert_eq!(names(&ground.data("")), ["f"]);
}

#[test]
fn files_and_directories_beyond_the_number_are_refused() {
    let ground = Ground::new();
    let directory = ground.open_with(SMALL);
    (0..4).for_each(|n| directory.write(&format!("f{n}"), b"").unwrap());
    (0..4).for_each(|n| directory.create_directory(&format!("d{n}")).unwrap());
    assert!(is_full(directory.write("f9", b""), "files"));
    assert!(is_full(directory.create_directory("d9"), "files"));
    directory.delete("d0").unwrap();
    directory.write("f9", b"").unwrap();
}

#[test]
fn replacing_a_file_again_and_again_does_not_use_the_quota_up() {
    let ground = Ground::new();
    let directory = ground.open_with(SMALL);
    (0..200).for_each(|_| directory.write("f", &[1; 20_000]).unwrap());
}

#[test]
fn what_the_module_wrote_itself_counts() {
    let ground = Ground::new();
    fs::create_dir(ground.data("d")).unwrap();
    fs::write(ground.data("d/f"), vec![1; 60 * 1024]).unwrap();
    let directory = ground.open_with(SMALL);
    assert!(is_full(directory.write("g", &[0; 8 * 1024]), "bytes"));
    fs::remove_file(ground.data("d/f")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while directory.write("g", &[0; 8 * 1024]).is_err() {
        assert!(Instant::now() < deadline, "the room is never found");
    }
}

#[test]
fn a_million_names_are_not_counted_beyond_the_quota() {
    let ground = Ground::new();
    (0..20).for_each(|n| fs::write(ground.data(&n.to_string()), "").unwrap());
    let directory = ground.open_with(SMALL);
    assert_eq!(directory.usage().unwrap().files, SMALL.files + 1);
    assert!(is_full(directory.write("f", b""), "files"));
    directory.delete("3").unwrap();
}

#[test]
fn a_tree_too_deep_to_count_stops_writes_and_nothing_else() {
    let ground = Ground::new();
    let directory = ground.open();
    directory.write("f", b"x").unwrap();
    let deep = vec!["d"; 40].join("/");
    fs::create_dir_all(ground.data(&deep)).unwrap();
    let directory = ground.open();
    let error = directory.write("g", b"x").unwrap_err();
    assert!(matches!(error, FilesError::Uncountable { .. }), "{error}");
    assert_eq!(directory.read("f", 0, 1).unwrap().bytes, b"x");
    directory.delete("f").unwrap();
}

#[test]
fn a_quota_of_more_files_than_can_be_counted_is_an_error() {
    let ground = Ground::new();
    let quota = Quota { bytes: 1, files: MAX_QUOTA_FILES + 1 };
    let error = DataDirectory::open(&ground.data(""), quota).unwrap_err();
    assert!(matches!(error, FilesError::QuotaTooLarge { .. }));
}

#[test]
fn a_full_disk_is_an_error_and_the_old_file_stays() {
    if !root_for("a small file system is mounted") {
        return;
    }
    in_own_mounts(|| {
        let folder = tempfile::tempdir().unwrap();
        let (flags, size) = (nix::mount::MsFlags::empty(), Some("size=256k"));
        nix::mount::mount(Some("none"), folder.path(), Some("tmpfs"), flags, size).unwrap();
        let ground = Ground::at(folder);
        let directory = ground.open();
        directory.write("f", b"old").unwrap();
        let error = directory.write("f", &[0; 512 * 1024]).unwrap_err();
        assert!(matches!(error, FilesError::DiskFull { .. }), "{error}");
        assert_eq!(directory.read("f", 0, 10).unwrap().bytes, b"old");
        assert_eq!(names(&ground.data("")), ["f"]);
        directory.write("f", &[0; 64 * 1024]).unwrap();
        nix::mount::umount2(ground.data("").parent().unwrap(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    });
}
