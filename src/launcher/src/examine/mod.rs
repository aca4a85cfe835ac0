//! `cofferdam-launcher examine`: starts a module's profile around the probe, finds out what is really possible
//! inside, and hands it to `cofferdam audit --verify`, which compares it with the page.
//!
//! The profile, the layers and the answers to refused calls are those of every start. The module itself is never
//! started, and its data directory is not touched: the probe has an empty one, and a uid of no module.

mod calls;
pub(crate) mod inside;
mod outside;
mod session;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cofferdam_installation::Installation;
use cofferdam_manifest::ModuleName;
use cofferdam_policy::Tables;
use cofferdam_policy::profile::Profile;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup, dup2_stderr};

use crate::doctor::{Fact, hand_over, line};
use crate::error::{Error, file, system};
use crate::host::close_on_exec_all;
use crate::identity::{assign_apart, make_directory};
use crate::program::Program;
use crate::run::{open_program, settle};
use crate::sweeper::Sweeper;
pub(crate) use session::{Reply, Session};

/// What the operator chose on the command line.
#[derive(Debug, Clone)]
pub struct ExamineOptions {
    /// The config.
    pub config: PathBuf,
    /// The module whose profile is examined.
    pub module: String,
    /// `cofferdam`, beside the launcher.
    pub tool: PathBuf,
    /// What the tool is told besides.
    pub arguments: Vec<OsString>,
}

/// The probe's name, beside the launcher.
pub(crate) const PROBE: &str = "cofferdam-inside";

/// Examines, and becomes `cofferdam`, which reads what was found from its standard input.
///
/// # Errors
/// When the module is not one that runs here, or cannot be started.
pub fn examine(options: &ExamineOptions) -> Result<Infallible, Error> {
    close_on_exec_all()?;
    let quiet = Quiet::new()?;
    let folder = Folder::new()?;
    let facts = facts(options, folder.path());
    drop(folder);
    drop(quiet);
    let lines: Vec<String> = facts?.iter().map(line).collect();
    hand_over(&options.tool, &options.arguments, &lines)
}

fn facts(options: &ExamineOptions, folder: &Path) -> Result<Vec<Fact>, Error> {
    let installation =
        Installation::read(&options.config).map_err(|error| Error::Document(error.to_string()))?;
    let name = ModuleName::new(&options.module).map_err(|error| Error::Document(error.to_string()))?;
    let installed = installation.modules.get(&name).ok_or_else(|| {
        Error::Document(format!("{name} is not a module that runs here; `cofferdam check` says why"))
    })?;
    let linkage = open_program(installed)?.linkage;
    let scratch = folder.join("scratch");
    fs::create_dir(&scratch).map_err(file("create", &scratch, ""))?;
    let launcher = settle(&installation, &format!("examine-{}", std::process::id()), scratch)?;
    let lock = folder.join("lock");
    fs::write(&lock, "").map_err(file("create", &lock, ""))?;
    // If this process is killed, its cgroups go all the same.
    let _sweeper = Sweeper::start(launcher.cgroup_directories(), lock)?;
    let profile = installation.profile(installed, linkage, &Tables::builtin());
    let data = Data::of(&profile, &installation, folder)?;
    let home = assign_apart(launcher.host(), installation.config.sandbox.uid_base, data.path())?;
    let probe = Program::open(&options.tool.with_file_name(PROBE), PROBE)?;
    let loaded = launcher.load(profile, probe, home)?;
    let tasks = launcher.task_limit();
    let mut session = Session::new(launcher, loaded);
    // Once it has answered it runs: execve lets the launcher go on before it closes what is to be closed (fs/exec.c,
    // begin_new_exec: exec_mmap before do_close_on_exec), and descriptors of the child would be seen.
    let mut facts = calls::paths(&mut session)?;
    facts.extend(session.with_running(outside::look)?);
    facts.push(Fact { name: "task limit".to_owned(), found: Ok(tasks.to_owned()) });
    facts.extend(calls::every(&mut session)?);
    session.end()?;
    Ok(facts)
}

/// The probe's data directory. Where a quota limits it, it lies on the file system of the module's.
enum Data {
    /// It goes with the folder that it is in.
    InFolder(PathBuf),
    /// It is removed at the end.
    BesideModules(Folder),
}

impl Data {
    fn of(profile: &Profile, installation: &Installation, folder: &Path) -> Result<Self, Error> {
        if profile.limits.disk.is_none() {
            return Ok(Self::InFolder(folder.join("data")));
        }
        let data_dir = &installation.config.modules.data_dir;
        make_directory(data_dir, 0o711)?;
        Folder::below(data_dir).map(Self::BesideModules)
    }

    fn path(&self) -> &Path {
        match self {
            Self::InFolder(path) => path,
            Self::BesideModules(folder) => folder.path(),
        }
    }
}

/// A folder of this run's own, removed at its end. It is made new, so nobody else has put anything into it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn new() -> Result<Self, Error> {
        Self::below(&std::env::temp_dir())
    }

    /// No module's name begins with a point.
    fn below(parent: &Path) -> Result<Self, Error> {
        let path = parent.join(format!(".cofferdam-examine-{}", std::process::id()));
        // 0711: the probe's own directory below it is for another uid.
        fs::DirBuilder::new().mode(0o711).create(&path).map_err(file(
            "create",
            &path,
            "may this user write there? a left-over of that name can be removed",
        ))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind holds nothing.
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// Keeps the log of some hundred refused calls off the terminal; what was found tells of each.
struct Quiet {
    terminal: OwnedFd,
}

impl Quiet {
    fn new() -> Result<Self, Error> {
        let terminal = dup(std::io::stderr()).map_err(system("duplicate the standard error"))?;
        let nothing = open("/dev/null", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| file("open", "/dev/null", "")(errno.into()))?;
        dup2_stderr(&nothing).map_err(system("replace the standard error"))?;
        Ok(Self { terminal })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing could be said about a failure.
        let _silent = dup2_stderr(&self.terminal);
    }
}
