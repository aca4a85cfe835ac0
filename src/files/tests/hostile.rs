//! What the module may put in the host's way, one thing a test. Each has a control: the same act with the standard
//! library's path functions does get out, or would wait.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

#[allow(dead_code, reason = "each test program uses its part")]
mod ground;

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use cofferdam_files::{FilesError, Kind};
use ground::{Ground, in_own_mounts, names, root_for};
use nix::mount::{MsFlags, mount};
use rustix::fs::{CWD, FileType, Mode, OFlags};

#[test]
fn an_absolute_path_and_a_path_upwards_lead_nowhere() {
    let ground = Ground::new();
    let directory = ground.open();
    let absolute = ground.outside("secret").to_str().unwrap().to_owned();
    assert_eq!(fs::read(ground.data(&absolute)).unwrap(), b"secret", "control");
    assert_eq!(fs::read(ground.data("../outside/secret")).unwrap(), b"secret", "control");
    for path in [absolute.as_str(), "../outside/secret", "d/../../outside/secret"] {
        assert!(matches!(directory.read(path, 0, 10), Err(FilesError::InvalidPath { .. })));
        assert!(matches!(directory.write(path, b""), Err(FilesError::InvalidPath { .. })));
        assert!(matches!(directory.delete(path), Err(FilesError::InvalidPath { .. })));
        assert!(matches!(directory.metadata(path), Err(FilesError::InvalidPath { .. })));
        assert!(matches!(directory.list(path, None, 1), Err(FilesError::InvalidPath { .. })));
        assert!(matches!(directory.create_directory(path), Err(FilesError::InvalidPath { .. })));
    }
    ground.outside_is_untouched();
}

#[test]
fn a_link_at_the_end_is_not_followed_and_can_be_replaced_and_deleted_itself() {
    let ground = Ground::new();
    let directory = ground.open();
    symlink(ground.outside("secret"), ground.data("link")).unwrap();
    assert_eq!(fs::read(ground.data("link")).unwrap(), b"secret", "control");
    assert!(matches!(directory.read("link", 0, 10), Err(FilesError::Link { .. })));
    assert_eq!(directory.metadata("link").unwrap().kind, Kind::Link);
    directory.write("link", b"mine").unwrap();
    assert_eq!(directory.read("link", 0, 10).unwrap().bytes, b"mine");
    directory.delete("link").unwrap();
    symlink(ground.outside("secret"), ground.data("link")).unwrap();
    directory.delete("link").unwrap();
    assert_eq!(names(&ground.data("")), Vec::<String>::new());
    ground.outside_is_untouched();
}

#[test]
fn a_link_to_nothing_does_not_make_a_write_create_what_it_names() {
    let ground = Ground::new();
    symlink(ground.outside("new"), ground.data("control")).unwrap();
    fs::write(ground.data("control"), "control").unwrap();
    fs::remove_file(ground.outside("new")).unwrap();
    symlink(ground.outside("new"), ground.data("link")).unwrap();
    ground.open().write("link", b"mine").unwrap();
    ground.outside_is_untouched();
}

#[test]
fn a_link_on_the_way_is_not_followed() {
    let ground = Ground::new();
    let directory = ground.open();
    for (link, target) in
        [("outwards", ground.outside("")), ("inwards", "d".into()), ("upwards", "../outside".into())]
    {
        symlink(target, ground.data(link)).unwrap();
    }
    fs::create_dir(ground.data("d")).unwrap();
    assert_eq!(fs::read(ground.data("outwards/secret")).unwrap(), b"secret", "control");
    for link in ["outwards", "inwards", "upwards"] {
        let path = format!("{link}/secret");
        assert!(matches!(directory.read(&path, 0, 10), Err(FilesError::Link { .. })));
        assert!(directory.write(&path, b"").is_err());
        assert!(directory.delete(&path).is_err());
        assert!(directory.create_directory(&format!("{link}/new")).is_err());
        assert!(matches!(directory.metadata(&path), Err(FilesError::Link { .. })));
        assert!(directory.list(link, None, 10).is_err());
    }
    ground.outside_is_untouched();
}

#[test]
fn a_link_through_proc_to_an_open_descriptor_is_not_followed() {
    let ground = Ground::new();
    let directory = ground.open();
    let file = fs::File::open(ground.outside("secret")).unwrap();
    symlink(format!("/proc/self/fd/{}", file.as_raw_fd()), ground.data("magic")).unwrap();
    symlink("/proc/self/root", ground.data("root")).unwrap();
    assert_eq!(fs::read(ground.data("magic")).unwrap(), b"secret", "control");
    assert!(!names(&ground.data("root")).is_empty(), "control");
    assert!(matches!(directory.read("magic", 0, 10), Err(FilesError::Link { .. })));
    assert!(directory.list("root", None, 10).is_err());
    assert!(directory.list("root/etc", None, 10).is_err());
}

#[test]
fn a_file_with_another_name_outside_is_not_read_and_a_write_leaves_that_name_alone() {
    let ground = Ground::new();
    let directory = ground.open();
    fs::hard_link(ground.outside("secret"), ground.data("f")).unwrap();
    assert_eq!(fs::read(ground.data("f")).unwrap(), b"secret", "control");
    assert!(matches!(directory.read("f", 0, 10), Err(FilesError::HardLink { links: 2, .. })));
    directory.write("f", b"mine").unwrap();
    assert_eq!(directory.read("f", 0, 10).unwrap().bytes, b"mine");
    ground.outside_is_untouched();
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    let ground = Ground::new();
    let directory = ground.open();
    rustix::fs::mkfifoat(CWD, ground.data("fifo"), Mode::RWXU).unwrap();
    // Nobody has the other end, so an open that may wait would.
    let writer = rustix::fs::open(ground.data("fifo"), OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
    assert_eq!(writer.unwrap_err(), rustix::io::Errno::NXIO, "control");
    assert!(matches!(directory.read("fifo", 0, 10), Err(FilesError::WrongKind { found: Kind::Other, .. })));
    assert_eq!(directory.metadata("fifo").unwrap().kind, Kind::Other);
    assert!(directory.list("fifo", None, 10).is_err());
    directory.write("fifo", b"now a file").unwrap();
    assert_eq!(directory.metadata("fifo").unwrap().kind, Kind::File);
}

#[test]
fn a_socket_is_no_file() {
    let ground = Ground::new();
    let _listener = std::os::unix::net::UnixListener::bind(ground.data("socket")).unwrap();
    let error = ground.open().read("socket", 0, 10).unwrap_err();
    assert!(matches!(error, FilesError::WrongKind { found: Kind::Other, .. }), "{error}");
}

#[test]
fn a_device_is_not_read() {
    if !root_for("a device is made") {
        return;
    }
    in_own_mounts(|| {
        let folder = tempfile::tempdir().unwrap();
        mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        let ground = Ground::at(folder);
        let zero = rustix::fs::makedev(1, 5);
        rustix::fs::mknodat(CWD, ground.data("zero"), FileType::CharacterDevice, Mode::RWXU, zero).unwrap();
        let mut byte = [1];
        std::io::Read::read_exact(&mut fs::File::open(ground.data("zero")).unwrap(), &mut byte).unwrap();
        assert_eq!(byte, [0], "control");
        let error = ground.open().read("zero", 0, 10).unwrap_err();
        assert!(matches!(error, FilesError::WrongKind { found: Kind::Other, .. }), "{error}");
        nix::mount::umount2(ground.data("").parent().unwrap(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    });
}

#[test]
fn another_mount_is_not_entered_and_its_files_are_not_counted() {
    if !root_for("a directory is mounted on another") {
        return;
    }
    in_own_mounts(|| {
        let ground = Ground::new();
        let directory = ground.open();
        fs::create_dir(ground.data("mount")).unwrap();
        fs::write(ground.data("file"), "").unwrap();
        fs::write(ground.outside("secret"), vec![b's'; 1024 * 1024]).unwrap();
        for (from, onto) in [("", "mount"), ("secret", "file")] {
            let (from, onto) = (ground.outside(from), ground.data(onto));
            mount(Some(&from), &onto, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        assert_eq!(fs::read(ground.data("mount/secret")).unwrap().len(), 1024 * 1024, "control");
        for path in ["mount/secret", "file"] {
            assert!(matches!(directory.read(path, 0, 10), Err(FilesError::OtherMount { .. })));
            assert!(matches!(directory.metadata(path), Err(FilesError::OtherMount { .. })));
        }
        assert!(matches!(directory.write("mount/new", b""), Err(FilesError::OtherMount { .. })));
        assert!(matches!(directory.delete("mount/secret"), Err(FilesError::OtherMount { .. })));
        assert!(matches!(directory.create_directory("mount/new"), Err(FilesError::OtherMount { .. })));
        assert!(matches!(directory.list("mount", None, 10), Err(FilesError::OtherMount { .. })));
        assert_eq!(names(&ground.outside("")), ["secret"]);
    });
}
