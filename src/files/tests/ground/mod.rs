//! A data directory with something outside that nobody may touch, for tests.

use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_files::{DataDirectory, Quota};

/// Room enough for tests that are not about room.
pub(crate) const AMPLE: Quota = Quota { bytes: 256 * 1024 * 1024, files: 10_000 };

/// A folder with a data directory and its surroundings.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(folder: tempfile::TempDir) -> Self {
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        Self { folder }
    }

    /// A path in the data directory, for what the module does there itself.
    pub(crate) fn data(&self, path: &str) -> PathBuf {
        self.folder.path().join("data").join(path)
    }

    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.folder.path().join("outside").join(path)
    }

    pub(crate) fn open(&self) -> DataDirectory {
        self.open_with(AMPLE)
    }

    pub(crate) fn open_with(&self, quota: Quota) -> DataDirectory {
        DataDirectory::open(&self.data(""), quota).unwrap()
    }

    /// Fails if anything outside is not as it was.
    pub(crate) fn outside_is_untouched(&self) {
        assert_eq!(names(&self.outside("")), ["secret"]);
        assert_eq!(fs::read(self.outside("secret")).unwrap(), b"secret");
        assert_eq!(names(self.folder.path()), ["data", "outside"]);
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
    names.sort();
    names
}

/// Whether the test runs as root, which mounts and devices need. Says so if not, and fails where the kernel's part of
/// the tests is required.
pub(crate) fn root_for(claim: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    println!("SKIPPED: {claim}: run the tests as root");
    assert_ne!(std::env::var("REQUIRE_KERNEL").as_deref(), Ok("1"), "{claim}: not run as root");
    false
}

/// Runs a test in a mount namespace of its own, where `mount` and what it mounts are gone when it ends.
pub(crate) fn in_own_mounts(test: impl FnOnce() + Send + 'static) {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        test();
    });
    thread.join().unwrap();
}
