//! Calls on a data directory with hostile paths, beside something that must stay out of reach.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use cofferdam_files::{DataDirectory, Quota};

/// The most calls of one input.
const MAX_CALLS: usize = 8;

/// What lies outside, and must neither be read nor changed.
const SECRET: &[u8] = b"what lies outside of the data directory";

/// What files inside hold, whoever wrote them.
const INSIDE: &[u8] = b"inside";

/// The name of a second file outside. It is no text, so no call can make one inside: where a listing shows one, it is
/// of the directory outside.
const ODD_NAME: &[u8] = b"\xff";

const QUOTA: Quota = Quota { bytes: 1 << 20, files: 64 };

/// Each line is a call: its first letter says which, the rest is the path. The directory has links to the outside
/// in it, as a module can make them.
pub(crate) fn files(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let ground = Ground::new();
    let directory = DataDirectory::open(&ground.path("data"), QUOTA).expect("the data directory opens");
    for line in text.lines().take(MAX_CALLS) {
        let mut letters = line.chars();
        let call = letters.next();
        let path = letters.as_str();
        let done = perform(&directory, call, path);
        assert!(!done || path.is_empty() || is_ordinary(path), "{path:?} was taken");
    }
    assert!(directory.usage().is_ok_and(|usage| usage.files <= QUOTA.files), "the quota holds");
    ground.is_as_it_was();
}

/// Whether the call was done.
fn perform(directory: &DataDirectory, call: Option<char>, path: &str) -> bool {
    match call {
        Some('r') => directory.read(path, 0, SECRET.len()).is_ok_and(|chunk| {
            assert_ne!(chunk.bytes.as_slice(), SECRET, "{path:?} leads outside");
            true
        }),
        Some('w') => directory.write(path, INSIDE).is_ok(),
        Some('d') => directory.delete(path).is_ok(),
        Some('c') => directory.create_directory(path).is_ok(),
        Some('l') => directory.list(path, None, 10).is_ok_and(|page| {
            assert!(page.entries.iter().all(|entry| !entry.is_escaped), "{path:?} leads outside");
            true
        }),
        _ => directory.metadata(path).is_ok(),
    }
}

/// A path of names only, none of them special.
fn is_ordinary(path: &str) -> bool {
    let is_name = |component: Component<'_>| matches!(component, Component::Normal(_));
    Path::new(path).components().all(is_name) && !path.contains("//") && !path.ends_with('/')
}

/// A data directory, and its neighbour.
struct Ground(tempfile::TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir_all(ground.path("data/a/b")).expect("a data directory");
        fs::create_dir(ground.path("outside")).expect("a directory outside");
        fs::write(ground.path("outside/secret"), SECRET).expect("a file outside");
        fs::write(ground.path("outside").join(OsStr::from_bytes(ODD_NAME)), b"").expect("another");
        fs::write(ground.path("data/a/f"), INSIDE).expect("a file inside");
        symlink("../outside", ground.path("data/up")).expect("a link to the outside");
        symlink("../outside/secret", ground.path("data/s")).expect("a link to the file outside");
        symlink(ground.path("outside"), ground.path("data/a/abs")).expect("an absolute link");
        ground
    }

    fn path(&self, relative: &str) -> std::path::PathBuf {
        self.0.path().join(relative)
    }

    fn is_as_it_was(&self) {
        assert_eq!(fs::read(self.path("outside/secret")).expect("it is still there"), SECRET);
        let names = |path: &str| fs::read_dir(self.path(path)).expect("it is still there").count();
        assert_eq!((names("outside"), names("")), (2, 2), "nothing was made outside");
    }
}
