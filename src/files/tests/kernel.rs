//! A kernel, or a filter, without openat2; and a module that is another user than the host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

#[allow(dead_code, reason = "each test program uses its part")]
mod ground;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use cofferdam_files::{DataDirectory, FilesError};
use ground::{AMPLE, Ground, root_for};
use nix::libc;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use seccompiler::{SeccompAction, SeccompFilter};

/// Makes openat2 fail with ENOSYS in this thread, as a kernel before 5.6 does.
fn forget_openat2() {
    let rules = BTreeMap::from([(libc::SYS_openat2, Vec::new())]);
    let answer = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

#[test]
fn without_openat2_nothing_is_opened() {
    let ground = Ground::new();
    let directory = ground.open();
    directory.write("f", b"x").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            forget_openat2();
            let error = DataDirectory::open(&ground.data(""), AMPLE).unwrap_err();
            assert!(matches!(error, FilesError::Unsupported), "{error}");
            assert!(matches!(directory.read("f", 0, 1), Err(FilesError::Unsupported)));
            assert!(matches!(directory.write("f", b"y"), Err(FilesError::Unsupported)));
            assert!(matches!(directory.delete("f"), Err(FilesError::Unsupported)));
            assert!(matches!(directory.list("", None, 1), Err(FilesError::Unsupported)));
            assert!(matches!(directory.metadata("f"), Err(FilesError::Unsupported)));
            assert!(matches!(directory.create_directory("d"), Err(FilesError::Unsupported)));
        });
    });
    assert_eq!(directory.read("f", 0, 1).unwrap().bytes, b"x", "control: the thread without the filter");
}

#[test]
fn a_data_directory_that_is_a_file_or_a_link_is_refused() {
    let ground = Ground::new();
    fs::write(ground.data("f"), "").unwrap();
    std::os::unix::fs::symlink(ground.data(""), ground.outside("link")).unwrap();
    assert!(DataDirectory::open(&ground.data("f"), AMPLE).is_err());
    assert!(DataDirectory::open(&ground.outside("link"), AMPLE).is_err());
    assert!(DataDirectory::open(&ground.data("none"), AMPLE).is_err());
    let file = fs::File::open(ground.data("f")).unwrap();
    assert!(DataDirectory::from_descriptor(file.into(), AMPLE).is_err());
    let open = fs::File::open(ground.data("")).unwrap();
    DataDirectory::from_descriptor(open.into(), AMPLE).unwrap();
}

const MODULE: u32 = 40_001;
const HOST: u32 = 40_002;
const SHARED_GROUP: u32 = 40_003;

/// Runs `act` with the file rights of a user in the shared group, in this thread only. See setfsuid(2).
fn acting_as<T: Send>(user: u32, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setfsgid(Gid::from_raw(SHARED_GROUP));
            setfsuid(Uid::from_raw(user));
            assert_eq!(setfsuid(Uid::from_raw(user)).as_raw(), user);
            act()
        });
        thread.join().unwrap()
    })
}

/// A data directory as the launcher must prepare it: the module's, of the shared group, with set-group-ID.
fn shared() -> Ground {
    let ground = Ground::new();
    rustix::process::umask(rustix::fs::Mode::RWXO);
    std::os::unix::fs::chown(ground.data(""), Some(MODULE), Some(SHARED_GROUP)).unwrap();
    fs::set_permissions(ground.data(""), PermissionsExt::from_mode(0o2770)).unwrap();
    fs::set_permissions(ground.data("").parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    ground
}

#[test]
fn host_and_module_share_files_through_a_group() {
    if !root_for("two users share a directory") {
        return;
    }
    let ground = shared();
    acting_as(HOST, || {
        let directory = ground.open();
        directory.create_directory("d").unwrap();
        directory.write("d/from-host", b"host").unwrap();
    });
    acting_as(MODULE, || {
        assert_eq!(fs::read(ground.data("d/from-host")).unwrap(), b"host");
        fs::write(ground.data("d/from-host"), "changed").unwrap();
        fs::create_dir(ground.data("own")).unwrap();
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).mode(0o600).open(ground.data("own/private")).unwrap();
        fs::write(ground.data("own/from-module"), "module").unwrap();
    });
    acting_as(HOST, || {
        let directory = ground.open();
        assert_eq!(directory.read("d/from-host", 0, 10).unwrap().bytes, b"changed");
        assert_eq!(directory.read("own/from-module", 0, 10).unwrap().bytes, b"module");
        assert!(matches!(directory.read("own/private", 0, 10), Err(FilesError::PermissionDenied { .. })));
        directory.write("own/private", b"replaced").unwrap();
        directory.delete("own/from-module").unwrap();
    });
}

#[test]
fn a_directory_that_the_module_keeps_to_itself_stops_writes() {
    if !root_for("two users share a directory") {
        return;
    }
    let ground = shared();
    acting_as(MODULE, || {
        fs::create_dir(ground.data("hidden")).unwrap();
        fs::set_permissions(ground.data("hidden"), PermissionsExt::from_mode(0o700)).unwrap();
    });
    acting_as(HOST, || {
        let error = ground.open().write("f", b"").unwrap_err();
        assert!(matches!(error, FilesError::Uncountable { .. }), "{error}");
    });
}
