//! What the benchmarks share: a launcher in this process, a real confined core, and figures with their spread.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each benchmark uses its own part"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_config::CgroupRoot;
use cofferdam_control::{
    Ask, CoreLimits, CoreSettings, MAX_MESSAGE_BYTES, NodeSettings, Report, Restart, RosterEntry, decode,
    encode,
};
use cofferdam_launcher::{
    CgroupHost, Home, Host, Launcher, Layers, Loaded, OutsideId, Prepared, Program, Running,
};
use cofferdam_manifest::{Capability, ConfigKey, Manifest, ModuleName};
use cofferdam_policy::profile::Linkage;
use cofferdam_policy::{CoreNeeds, Decisions, Tables, derive, derive_core};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use nix::time::{ClockId, clock_gettime};

const UID_BASE: u32 = 1_879_048_192;

/// What modules of the benchmarks may call.
const GRANTED: [Capability; 5] = [
    Capability::ReadBlockchain,
    Capability::ReadChainState,
    Capability::SubscribeEvents,
    Capability::SubmitBlock,
    Capability::PublishEvents,
];

/// The event type that they publish.
const PUBLISHED: &str = "PaymentSettled";

/// What the policy lets a module take of the core.
const SHIPPED: CoreLimits = CoreLimits { calls_per_second: 5000, call_burst: 5000, ..UNLIMITED };

/// Modules that do their worst have the limits that are shipped; what is measured has none.
fn is_nuisance(name: &str) -> bool {
    name.starts_with("nuisance")
}

/// The rate is not what is measured: it is set to more than one core answers.
const UNLIMITED: CoreLimits = CoreLimits {
    calls_per_second: 1_000_000,
    call_burst: 1_000_000,
    storage_bytes: 0,
    storage_keys: 0,
    file_bytes: 0,
    file_count: 0,
};

/// A launcher in this process, in a folder of its own.
pub struct Stage {
    pub launcher: Launcher,
    tables: Tables,
    folder: tempfile::TempDir,
    loaded: u32,
}

pub fn binary(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_cofferdam-launcher")).with_file_name(name);
    assert!(path.exists(), "{} is missing: cargo build --release --workspace --bins", path.display());
    path
}

impl Stage {
    pub fn new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the benchmark wants every layer, cgroups included: run it as root"
        );
        let folder = tempfile::Builder::new().prefix("cofferdam-bench-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let host = Host::settle().unwrap();
        let layers = Layers::settle(&std::collections::BTreeSet::new(), &host).unwrap();
        let cgroups =
            CgroupHost::settle(&format!("bench-{}", std::process::id()), &CgroupRoot::Auto).unwrap();
        let scratch = folder.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        let launcher = Launcher::new(host, Some(cgroups), layers, scratch).unwrap();
        Self { launcher, tables: Tables::builtin(), folder, loaded: 0 }
    }

    fn home(&mut self, name: &str) -> Home {
        let path = self.folder.path().join(name);
        fs::create_dir(&path).unwrap();
        let id = UID_BASE + 65_536 * self.loaded;
        self.loaded += 1;
        std::os::unix::fs::chown(&path, Some(id), Some(id)).unwrap();
        let directory = fs::File::open(&path).unwrap().into();
        Home { path, directory, outside: OutsideId { uid: id, gid: id } }
    }

    /// A module with the shipped profile, told by settings what to do. It asks for all that the core grants it here.
    pub fn module(&mut self, name: &str, program: &str, settings: &[(&str, &str)]) -> Loaded {
        let capabilities: Vec<_> = GRANTED.iter().map(|granted| format!("\"{granted}\"")).collect();
        let text = format!(
            "name = \"{name}\"\nversion = \"0.1.0\"\nentry_point = \"{program}\"\ncapabilities = [{}]\n",
            capabilities.join(", ")
        );
        let manifest = Manifest::parse("module.toml", &text).unwrap();
        let settings: BTreeMap<ConfigKey, String> =
            settings.iter().map(|(key, value)| (ConfigKey::new(key).unwrap(), (*value).to_owned())).collect();
        let cpu_percent = (!is_nuisance(name)).then_some(200);
        let overrides = cofferdam_policy::Overrides { cpu_percent, ..Default::default() };
        let decisions = Decisions { settings, overrides, ..Decisions::default() };
        let profile = derive(&manifest, &decisions, Linkage::Static, &self.tables);
        let program = Program::open(&binary(program), name).unwrap();
        let home = self.home(name);
        self.launcher.load(profile, program, home).unwrap()
    }

    /// The real core, confined, on the embedded chain, with this roster.
    pub fn core(&mut self, modules: &[String]) -> CoreLink {
        let profile = derive_core(&CoreNeeds::default(), Linkage::Static, &self.tables);
        let program = Program::open(&binary("cofferdam"), "core").unwrap();
        let home = self.home("core");
        let loaded = self.launcher.load(profile, program, home).unwrap();
        let prepared = self.launcher.prepare(&loaded).unwrap();
        let core = CoreLink { running: self.launcher.launch(prepared).unwrap() };
        let modules = modules.iter().map(|name| RosterEntry {
            name: name.parse().unwrap(),
            version: "0.1.0".to_owned(),
            granted: GRANTED.to_vec(),
            requires: Vec::new(),
            publishes: vec![PUBLISHED.to_owned()],
            files: None,
            limits: if is_nuisance(name) { SHIPPED } else { UNLIMITED },
        });
        let node = NodeSettings::Embedded { block_interval_ms: 0 };
        let settings = CoreSettings { interface: None, lightning: None, redact_peers: false, watched: None };
        let modules = modules.collect();
        core.send(&Report::Roster { modules, node, restart: Restart::Never, settings }, None);
        core
    }

    pub fn prepare(&self, loaded: &Loaded) -> Prepared {
        self.launcher.prepare(loaded).unwrap()
    }
}

/// The launcher's end of the real core's control socket.
pub struct CoreLink {
    running: Running,
}

impl CoreLink {
    /// The next module that the core wants to be started.
    pub fn next_start(&self) -> ModuleName {
        let mut buffer = vec![0; MAX_MESSAGE_BYTES];
        loop {
            let length = recv(self.running.peer().as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
            match decode(&buffer[..length]).unwrap() {
                Ask::Start { module } => return module,
                Ask::Stop { .. }
                | Ask::Ready
                | Ask::Usage { .. }
                | Ask::Denied { .. }
                | Ask::Watched { .. }
                | Ask::Credentials
                | Ask::Stopped => {}
            }
        }
    }

    /// Hands the module's socket to the core.
    pub fn started(&self, module: &ModuleName, running: &Running) {
        let report = Report::Started { module: module.clone() };
        self.send(&report, Some(running.peer().as_raw_fd()));
    }

    fn send(&self, report: &Report, descriptor: Option<i32>) {
        let bytes = encode(report).unwrap();
        let raw: Vec<i32> = descriptor.into_iter().collect();
        let control: Vec<_> = if raw.is_empty() { Vec::new() } else { vec![ControlMessage::ScmRights(&raw)] };
        let socket = self.running.peer().as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&bytes)], &control, MsgFlags::empty(), None).unwrap();
    }

    pub fn end(self) {
        self.running.kill().unwrap();
    }
}

/// The lines of the program's output that begin with these words, without them.
pub fn lines_of<const N: usize>(running: &Running, words: [&str; N]) -> [String; N] {
    let mut output = fs::File::from(running.stdout().try_clone_to_owned().unwrap());
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut text = String::new();
    loop {
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let found = words.map(|word| whole.lines().find_map(|line| line.strip_prefix(word)));
        if found.iter().all(Option::is_some) {
            return found.map(|line| line.unwrap().trim().to_owned());
        }
        assert!(Instant::now() < deadline, "no lines {words:?}: {text:?}");
        let mut poll = [nix::poll::PollFd::new(output.as_fd(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut poll, 1000_u16).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        match output.read(&mut buffer) {
            Ok(0) => panic!("the program ended before its lines {words:?}: {text:?}"),
            Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(_) => {}
        }
    }
}

pub fn now_ns() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Samples of one variant, in microseconds.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push_ns(&mut self, ns: i64) {
        self.0.push(ns as f64 / 1000.0);
    }

    pub fn at(&self, fraction: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len().saturating_sub(1)) as f64 * fraction).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// One row: the variant's times, and its ratio to the floor at p10, p50 and p90.
pub fn row(name: &str, samples: &Samples, floor: &Samples) {
    let ratio = |fraction| samples.at(fraction) / floor.at(fraction);
    println!(
        "{name:<44} {:>9.0} {:>9.0} {:>9.0} us   {:>5.1} {:>5.1} {:>5.1} x",
        samples.at(0.1),
        samples.at(0.5),
        samples.at(0.9),
        ratio(0.1),
        ratio(0.5),
        ratio(0.9)
    );
}

pub fn head(title: &str) {
    println!("\n{title}");
    println!("{:<44} {:>9} {:>9} {:>9}      {:>5} {:>5} {:>5}", "", "p10", "p50", "p90", "p10", "p50", "p90");
}
