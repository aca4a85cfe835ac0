//! `cofferdam-launcher run`: from the config to the running whole, and back to nothing.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_config::{Backend, Layer};
use cofferdam_control::{CoreLimits, NodeSettings, RosterEntry};
use cofferdam_installation::{Installation, Installed};
use cofferdam_manifest::ModuleName;
use cofferdam_policy::{Profile, Tables};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::audit::Audit;
use crate::cgroup::CgroupHost;
use crate::error::{Error, file, system};
use crate::grants::Grants;
use crate::host::{Host, close_on_exec_all, modules_for_descriptors};
use crate::identity::{Sharing, assign, assign_core, make_directory};
use crate::interface::Interface;
use crate::layers::Layers;
use crate::log;
use crate::program::{MAX_ALL_PROGRAMS_BYTES, Program};
use crate::start::{Launcher, Loaded, ModuleFiles};
use crate::state_dir::refuse_exposed;
use crate::supervisor::watch::Watch;
use crate::supervisor::{Module, Parts, Supervisor};
use crate::sweeper::Sweeper;
use crate::sys::parent;

/// What the operator chose on the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The config.
    pub config: PathBuf,
    /// The core's program: `cofferdam`, beside the launcher.
    pub core_program: PathBuf,
}

/// Runs everything until a signal says stop.
///
/// # Errors
/// [`Error`] before anything is started, or when the launcher cannot go on; nothing is left behind.
pub fn run(options: &Options) -> Result<(), Error> {
    run_with(options, &Tables::builtin())
}

/// As [`run`], with another policy than the one that ships: tests let programs that nobody here wrote start processes.
/// No program that ships calls it.
///
/// # Errors
/// As [`run`].
pub fn run_with(options: &Options, tables: &Tables) -> Result<(), Error> {
    close_on_exec_all()?;
    let signals = take_signals()?;
    run_watching(options, tables, None, &signals).map(|_nothing| ())
}

/// As [`run`], watching one module if there is one to watch.
///
/// # Errors
/// As [`run`], and when the watched module is none that runs here.
pub(crate) fn run_watching(
    options: &Options,
    tables: &Tables,
    watch: Option<Watch>,
    signals: &SignalFd,
) -> Result<Option<Watch>, Error> {
    let installation =
        Installation::read(&options.config).map_err(|error| Error::Document(error.to_string()))?;
    for problem in &installation.problems {
        log::line("launcher", &problem.to_string());
    }
    let state_dir = installation.config.state_dir.clone();
    make_directory(&state_dir, 0o711)?;
    refuse_exposed(&state_dir, &options.config)?;
    let only_one = lock(&state_dir)?;
    let scratch = state_dir.join("scratch");
    make_directory(&scratch, 0o700)?;
    let instance = instance(&state_dir, &only_one)?;
    let launcher = settle(&installation, &instance, scratch)?;
    let sweeper = Sweeper::start(launcher.cgroup_directories(), lock_path(&state_dir))?;
    let audit = Audit::open(&state_dir, installation.config_hash)?;
    let supervisor = load(launcher, audit, installation, options, tables, watch)?;
    let watched = supervisor.run(signals)?;
    sweeper.dismiss();
    Ok(watched)
}

/// Signals that stop the launcher arrive by descriptor; no handler ever runs. SIGPIPE is ignored by Rust.
pub(crate) fn take_signals() -> Result<SignalFd, Error> {
    let mut stop = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        stop.add(signal);
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stop), None).map_err(system("block signals"))?;
    parent::default_child_signal().map_err(system("set the action of SIGCHLD"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    SignalFd::with_flags(&stop, flags).map_err(system("signalfd"))
}

/// How long the sweeper of a launcher that was killed may hold the lock, and how often it is asked for.
const SWEEP_TRIES: u32 = 250;
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// For the launcher's user alone.
const LOCK_MODE: u32 = 0o600;

fn lock_path(state_dir: &Path) -> PathBuf {
    state_dir.join("lock")
}

/// One launcher a state directory: it sweeps cgroups of the directory's name and owns what is in it.
fn lock(state_dir: &Path) -> Result<Flock<File>, Error> {
    let path = lock_path(state_dir);
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(LOCK_MODE)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path);
    let mut opened = opened.map_err(file("open", &path, "may this user write there?"))?;
    // Whoever can open it can lock it, and keep every launcher from starting.
    let closed = opened.set_permissions(Permissions::from_mode(LOCK_MODE));
    closed.map_err(file("chmod", &path, "it belongs to another user: remove it"))?;
    let mut errno = Errno::EWOULDBLOCK;
    for _ in 0..SWEEP_TRIES {
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((returned, failed)) => (opened, errno) = (returned, failed),
        }
        std::thread::sleep(SWEEP_PAUSE);
    }
    let remedy = "another cofferdam runs with this state_dir: stop it, or set another";
    Err(file("lock", &path, remedy)(io::Error::from(errno)))
}

pub(crate) fn settle(
    installation: &Installation,
    instance: &str,
    scratch: PathBuf,
) -> Result<Launcher, Error> {
    let sandbox = &installation.config.sandbox;
    let host = Host::settle()?;
    let mut layers = Layers::settle(&sandbox.allow_missing, &host)?;
    let cgroups = match CgroupHost::settle(instance, &sandbox.cgroup_root) {
        Ok(cgroups) => Some(cgroups),
        Err(Error::LayerMissing { why, .. }) => {
            layers.miss(Layer::Cgroup, &why)?;
            None
        }
        Err(error) => return Err(error),
    };
    for directory in cgroups.as_ref().map(CgroupHost::directories).unwrap_or_default() {
        log::line("launcher", &format!("cgroups below {}", directory.display()));
    }
    let missing: Vec<_> = layers.missing().map(Layer::as_str).collect();
    if !missing.is_empty() {
        log::line("launcher", &format!("WEAKENED, as the config allows: no {}", missing.join(", no ")));
    }
    Launcher::new(host, cgroups, layers, scratch)
}

/// Names this launcher's cgroups: the same for the same state directory, so that leftovers are found, and another
/// for a directory that only has the same path, in another mount namespace.
fn instance(state_dir: &Path, lock: &File) -> Result<String, Error> {
    use sha2::{Digest, Sha256};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let identity = lock.metadata().map_err(file("look at", lock_path(state_dir), ""))?;
    let mut hash = Sha256::new();
    hash.update(state_dir.as_os_str().as_bytes());
    hash.update(identity.dev().to_le_bytes());
    hash.update(identity.ino().to_le_bytes());
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

/// Derives every profile, opens every program, and gives each module its identity. One module that cannot be
/// loaded keeps only itself, and those that require it, from running.
fn load(
    launcher: Launcher,
    mut audit: Audit,
    installation: Installation,
    options: &Options,
    tables: &Tables,
    watch: Option<Watch>,
) -> Result<Supervisor, Error> {
    let config = &installation.config;
    let uid_base = config.sandbox.uid_base;
    let core_program = Program::open(&options.core_program, "core")?;
    let core_state = config.state_dir.join("core");
    let core_home = assign_core(launcher.host(), uid_base, &core_state)?;
    let mut core_profile = installation.core_profile(core_program.linkage, tables);
    let interface = Interface::open(&config.interface, &config.state_dir)?;

    let room = modules_for_descriptors()?;
    if installation.order.len() > room {
        let text = format!(
            "open files are limited to {room} modules' worth, and {} are installed: raise the limit \
             (`ulimit -Hn`, LimitNOFILE=)",
            installation.order.len()
        );
        return Err(Error::Document(text));
    }
    let seen_by_core = core_profile.module_files.iter();
    let inside: BTreeMap<ModuleName, PathBuf> =
        seen_by_core.map(|rule| (rule.module.clone(), PathBuf::from(&rule.directory.inside))).collect();
    let sharing = |name: &ModuleName| match inside.contains_key(name) {
        true => Sharing::WithCore,
        false => Sharing::Own,
    };
    let names: Vec<_> = installation.order.iter().map(|name| (name.to_string(), sharing(name))).collect();
    let mut homes = assign(launcher.host(), uid_base, &config.modules.data_dir, &names)?;
    let mut module_files = BTreeMap::new();
    let mut programs_bytes = core_program.size;
    let mut modules = BTreeMap::new();
    let mut roster = Vec::new();
    for name in &installation.order {
        let Some(installed) = installation.modules.get(name) else { continue };
        let Some(home) = homes.remove(name.as_str()) else { continue };
        let loaded = home.and_then(|home| {
            let program = open_program(installed)?;
            // Of the bytes that will be executed and of those that were parsed; nothing is read again.
            let admission = installation.admit(installed, program.hash);
            let admission = admission.map_err(|refused| Error::NotAdmitted(Box::new(refused)))?;
            audit.know(installed, &admission);
            let with_this = programs_bytes.saturating_add(program.size);
            if with_this > MAX_ALL_PROGRAMS_BYTES {
                return Err(too_much(installed));
            }
            programs_bytes = with_this;
            let profile = installation.profile(installed, program.linkage, tables);
            let files = match inside.get(name) {
                Some(inside) => Some((inside, ModuleFiles::of(&home)?)),
                None => None,
            };
            let mut loaded = launcher.load(profile, program, home)?;
            if watch.as_ref().is_some_and(|watch| watch.module == *name) {
                loaded.watch();
            }
            Ok((loaded, files, admission))
        });
        match loaded {
            Ok((loaded, files, admission)) => {
                roster.push(entry(installed, &loaded, files.as_ref().map(|(inside, _)| (*inside).clone())));
                module_files.extend(files.map(|(_, files)| (name.clone(), files)));
                modules.insert(name.clone(), Module::new(loaded, admission));
            }
            Err(error) => {
                log::error(name.as_str(), &error);
                audit.refuse(name, &error);
            }
        }
    }
    if let Some(watch) = watch.as_ref().filter(|watch| !modules.contains_key(&watch.module)) {
        let text = format!("{} is not a module that runs here; `cofferdam check` says why", watch.module);
        return Err(Error::Document(text));
    }
    // The core sees the files of those that run.
    core_profile.module_files.retain(|rule| module_files.contains_key(&rule.module));
    let in_order = core_profile.module_files.iter();
    let module_files = in_order.filter_map(|rule| module_files.remove(&rule.module)).collect();
    let core = launcher.load_with(core_profile, core_program, core_home, module_files)?;
    let node = node_settings(&config.node);
    let grants = Grants::new(&installation);
    let config = installation.config;
    Ok(Supervisor::new(Parts {
        launcher,
        audit,
        grants,
        config,
        roster,
        node,
        interface,
        modules,
        core,
        watch,
    }))
}

pub(crate) fn open_program(installed: &Installed) -> Result<Program, Error> {
    let directory = File::open(&installed.directory).map_err(file("open", &installed.directory, ""))?;
    let entry_point = Path::new(installed.manifest.entry_point().as_str());
    use std::os::fd::AsFd;
    Program::open_beneath(
        directory.as_fd(),
        &installed.directory,
        entry_point,
        installed.manifest.name().as_str(),
    )
}

fn too_much(installed: &Installed) -> Error {
    Error::Program {
        path: installed.directory.join(installed.manifest.entry_point().as_str()),
        problem: format!("makes all programs more than {} MiB", MAX_ALL_PROGRAMS_BYTES / (1024 * 1024)),
        remedy: "strip debug information, or name fewer modules in modules.enabled_modules",
    }
}

fn entry(installed: &Installed, loaded: &Loaded, files: Option<PathBuf>) -> RosterEntry {
    RosterEntry {
        name: installed.manifest.name().clone(),
        version: installed.manifest.version().to_string(),
        granted: loaded.profile().granted.iter().collect(),
        requires: installed.manifest.dependencies().keys().cloned().collect(),
        publishes: loaded.profile().publishes.iter().map(ToString::to_string).collect(),
        files,
        limits: core_limits(loaded.profile()),
    }
}

/// What it may take of the core. A profile without such limits is the core's own, and no module's.
fn core_limits(profile: &Profile) -> CoreLimits {
    profile.core_limits.as_ref().map_or_else(CoreLimits::default, |limits| CoreLimits {
        calls_per_second: limits.calls_per_second.value,
        call_burst: limits.call_burst.value,
        storage_bytes: limits.storage_bytes.value,
        storage_keys: limits.storage_keys.value,
        file_bytes: limits.file_bytes.value,
        file_count: limits.file_count.value,
    })
}

fn node_settings(node: &Backend) -> NodeSettings {
    let milliseconds =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match node {
        Backend::Embedded(embedded) => {
            NodeSettings::Embedded { block_interval_ms: embedded.block_interval.map_or(0, milliseconds) }
        }
        Backend::Bitcoind(node) => NodeSettings::Bitcoind {
            rpc: node.rpc,
            zmq: node.zmq,
            chain: node.chain.as_str().to_owned(),
            poll_interval_ms: milliseconds(node.poll_interval),
        },
    }
}
