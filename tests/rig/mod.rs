//! A whole Cofferdam in a temporary folder: the real binaries, a config, modules, and its log line by line.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses its own part of the rig"
)]

pub mod glutton;
pub mod interface;
mod plan;
mod processes;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use plan::Plan;
pub use processes::{is_alive, processes};

/// How long anything that must happen may take: only a bound on a test that fails. In seconds.
const PATIENCE_S: u64 = 60;

/// What vm-tests tells the rig of the machine that the tests run on: how patient to be, which layers its kernel lacks
/// (comma-separated), a cgroup that belongs to the user that runs them, and where `dynamic.c` is compiled already.
const PATIENCE_SETTING: &str = "COFFERDAM_TEST_PATIENCE_S";
const MISSING_SETTING: &str = "COFFERDAM_TEST_ALLOW_MISSING";
const CGROUP_SETTING: &str = "COFFERDAM_TEST_CGROUP_ROOT";
const DYNAMIC_SETTING: &str = "COFFERDAM_TEST_DYNAMIC_PROGRAM";

/// An ordinary user, whom nothing on the machine belongs to.
pub const USER: u32 = 12_345;

/// With which rights the launcher runs. Where the tests are run by an ordinary user there is only one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Root,
    User,
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a claim that only root's launcher makes can be tested. If not, it is said; and with REQUIRE_KERNEL=1, as
/// in CI, that is a failure.
pub fn root_for(claim: &str) -> bool {
    if is_root() {
        return true;
    }
    println!("SKIPPED: {claim}: run the tests as root");
    assert_ne!(std::env::var("REQUIRE_KERNEL").as_deref(), Ok("1"), "{claim}: not run as root");
    false
}

fn patience() -> Duration {
    let setting = std::env::var(PATIENCE_SETTING).ok();
    Duration::from_secs(setting.map_or(PATIENCE_S, |seconds| seconds.parse().unwrap()))
}

/// The layers that this kernel is stated to lack; every config of the rig waives them.
pub fn missing_here() -> Vec<String> {
    let setting = std::env::var(MISSING_SETTING).unwrap_or_default();
    setting.split(',').filter(|layer| !layer.is_empty()).map(str::to_owned).collect()
}

/// The cgroup that an ordinary user may divide here, if there is one.
pub fn delegated_cgroup() -> Option<String> {
    std::env::var(CGROUP_SETTING).ok()
}

/// A Cofferdam that runs.
pub struct Rig {
    folder: Option<tempfile::TempDir>,
    config: PathBuf,
    program: PathBuf,
    launcher: Child,
    log: Arc<Log>,
    who: As,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
    /// Nothing more comes: whoever wrote it has ended.
    ended: AtomicBool,
}

/// The folder with the binaries that `cargo build --workspace` made.
pub fn binaries() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_cofferdam-launcher")).parent().unwrap().to_owned()
}

/// A binary of the workspace.
pub fn binary(name: &str) -> PathBuf {
    let path = binaries().join(name);
    assert!(path.exists(), "{} is not built: run the tests by scripts/test.sh", path.display());
    path
}

/// Puts a dynamically linked program at this path.
pub fn dynamic_program(path: &Path) {
    if let Some(compiled) = std::env::var_os(DYNAMIC_SETTING) {
        fs::copy(compiled, path).unwrap();
        return;
    }
    let source = source().join("tests/rig/dynamic.c");
    let status = Command::new("cc").arg("-o").arg(path).arg(source).status();
    assert!(status.expect("there is a C compiler").success());
}

fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn launch(folder: Option<tempfile::TempDir>, config: PathBuf, who: As, program: PathBuf) -> Rig {
    let mut rig = launch_by(Command::new(&program), folder, config, who);
    rig.program = program;
    rig
}

fn launch_by(mut command: Command, folder: Option<tempfile::TempDir>, config: PathBuf, who: As) -> Rig {
    command.arg("--config").arg(&config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if who == As::User && is_root() {
        command.uid(USER).gid(USER);
    }
    let mut launcher = command.spawn().unwrap();
    let log = Arc::new(Log::default());
    let stderr = BufReader::new(launcher.stderr.take().unwrap());
    let shared = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            shared.lines.lock().unwrap().push(line);
            shared.grown.notify_all();
        }
        let _lines = shared.lines.lock().unwrap();
        shared.ended.store(true, Ordering::Relaxed);
        shared.grown.notify_all();
    });
    Rig { folder, config, program: binary("cofferdam-launcher"), launcher, log, who }
}

impl Rig {
    pub fn path(&self) -> &Path {
        self.config.parent().unwrap()
    }

    /// Starts it once more, in the same folder, after its end.
    pub fn start_again(mut self) -> Self {
        launch(self.folder.take(), self.config.clone(), self.who, self.program.clone())
    }

    /// Starts a second one with the same config, while this one runs.
    pub fn start_beside(&self) -> Self {
        launch(None, self.config.clone(), self.who, self.program.clone())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.launcher.id()).unwrap())
    }

    pub fn lines(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Waits for a line that holds all of these texts, and returns it.
    pub fn wait_for(&self, texts: &[&str]) -> String {
        self.wait_for_nth(texts, 1)
    }

    /// As `wait_for`, for the nth such line.
    pub fn wait_for_nth(&self, texts: &[&str], nth: usize) -> String {
        let deadline = Instant::now() + patience();
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let mut found = lines.iter().filter(|line| texts.iter().all(|text| line.contains(text)));
            if let Some(line) = found.nth(nth - 1) {
                return line.clone();
            }
            let ended = self.log.ended.load(Ordering::Relaxed);
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!ended && !left.is_zero(), "no line with {texts:?} in:\n{}", lines.join("\n"));
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// The process id in a subject's nth `started:` line.
    pub fn started(&self, subject: &str, nth: usize) -> Pid {
        let line = self.wait_for_nth(&[&format!("Z {subject} "), "started: pid "], nth);
        let number = line.split("pid ").nth(1).unwrap().split(',').next().unwrap();
        Pid::from_raw(number.parse().unwrap())
    }

    /// Directories that this launcher made for its cgroups.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let lines = self.lines();
        let below =
            lines.iter().filter_map(|line| line.split_once("cgroups below ").map(|(_, path)| path.into()));
        below.collect()
    }

    /// How many descriptors the launcher has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Processes whose parent is the launcher.
    pub fn children(&self) -> Vec<Pid> {
        processes()
            .into_iter()
            .filter(|process| process.parent == self.pid())
            .map(|process| process.pid)
            .collect()
    }

    /// Processes with this name whose parent is the launcher.
    pub fn children_named(&self, name: &str) -> Vec<Pid> {
        let named = |pid: &Pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            comm.contains(name) || line.starts_with(name)
        };
        self.children().into_iter().filter(named).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Ctrl-C, and then the end.
    pub fn interrupt(&mut self) -> ExitStatus {
        self.signal(Signal::SIGINT);
        self.wait()
    }

    /// Waits for the launcher's end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + patience();
        loop {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the launcher does not end:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Fails if the core's sandbox kept anything from it that it tried.
    pub fn assert_the_core_was_denied_nothing(&self) {
        let is_denial = |line: &String| line.contains("Z core ") && line.contains("denied: ");
        let denied: Vec<_> = self.lines().into_iter().filter(is_denial).collect();
        assert_eq!(denied, Vec::<String>::new());
    }

    /// Fails unless nothing of it is left: no process, no cgroup, no mount. What is killed may take a moment.
    pub fn assert_nothing_is_left(&self, pids: &[Pid]) {
        eventually("a process is left", || pids.iter().all(|pid| !is_alive(*pid)), || format!("{pids:?}"));
        let cgroups = self.cgroups();
        eventually(
            "a cgroup is left",
            || cgroups.iter().all(|path| !path.exists()),
            || format!("{cgroups:?}"),
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.path().to_str().unwrap()), "a mount is left:\n{mounts}");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A test that failed leaves no launcher behind; one that passed has waited for its end.
        if self.launcher.try_wait().unwrap().is_none() {
            let _ended_meanwhile = kill(self.pid(), Signal::SIGKILL);
            let _ = self.launcher.wait();
        }
    }
}

/// Waits until `condition` holds.
pub fn eventually(claim: &str, mut condition: impl FnMut() -> bool, detail: impl Fn() -> String) {
    let deadline = Instant::now() + patience();
    while !condition() {
        assert!(Instant::now() < deadline, "{claim}: {}", detail());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The signal that ended a process, if one did.
pub fn ended_by(status: ExitStatus) -> Option<i32> {
    status.signal()
}
