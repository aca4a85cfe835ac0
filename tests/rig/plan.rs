//! A Cofferdam that is being put together: its modules, its config, what its kernel lacks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{As, Rig, USER, binary, delegated_cgroup, is_root, launch, launch_by, missing_here, source};

/// A Cofferdam that is being put together.
pub struct Plan {
    folder: tempfile::TempDir,
    config: String,
    who: As,
    waivers: Waivers,
    unwaived: Option<String>,
    quotas: Quotas,
    launcher: PathBuf,
    grants: Grants,
}

/// Whether what is installed is granted before the start.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Grants {
    All,
    Only(Vec<String>),
}

/// Whether modules that write files need a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotas {
    Wanted,
    None,
}

/// Whether a rootless launcher's config allows what it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waivers {
    AsNeeded,
    None,
    /// As where no cgroup is the user's, though one may be.
    Cgroup,
}

impl Plan {
    /// An installation without modules, on a development chain that mines every 200 ms.
    pub fn new(who: As) -> Self {
        let who = if is_root() { who } else { As::User };
        let folder = tempfile::Builder::new().prefix("cofferdam-test-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("modules")).unwrap();
        Self {
            folder,
            config: String::new(),
            who,
            waivers: Waivers::AsNeeded,
            unwaived: None,
            quotas: Quotas::None,
            launcher: binary("cofferdam-launcher"),
            grants: Grants::All,
        }
    }

    /// Installs a module of modules/.
    pub fn module(self, name: &str) -> Self {
        let manifest = source().join("modules").join(name).join("module.toml");
        self.install(name, name, &manifest)
    }

    /// Installs the tests' own module, with what it is to do.
    pub fn probe(self, act: &str) -> Self {
        self.probe_as("probe", act)
    }

    /// Installs the tests' own module under another name.
    pub fn probe_as(self, name: &str, act: &str) -> Self {
        let plan = self.install(name, "probe", &source().join("tests/probe/module.toml"));
        let plan = plan.manifest(name, "name = \"probe\"", &format!("name = \"{name}\""));
        plan.config(&format!("[modules.module_configs.{name}]\nact = \"{act}\"\n"))
    }

    fn install(self, name: &str, program: &str, manifest: &Path) -> Self {
        let folder = self.folder.path().join("modules").join(name);
        fs::create_dir(&folder).unwrap();
        fs::copy(manifest, folder.join("module.toml")).unwrap();
        fs::copy(binary(program), folder.join(program)).unwrap();
        self
    }

    /// Replaces a text in the manifest of a module that is installed already.
    pub fn manifest(self, module: &str, from: &str, to: &str) -> Self {
        let path = self.folder.path().join("modules").join(module).join("module.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {}:\n{text}", path.display());
        fs::write(path, text.replace(from, to)).unwrap();
        self
    }

    /// Runs a core of the tests' own instead of Cofferdam's: the launcher takes the `cofferdam` beside itself.
    pub fn core(mut self, program: &str) -> Self {
        let folder = self.folder.path().join("bin");
        fs::create_dir(&folder).unwrap();
        self.launcher = folder.join("cofferdam-launcher");
        fs::copy(binary("cofferdam-launcher"), &self.launcher).unwrap();
        fs::copy(binary(program), folder.join("cofferdam")).unwrap();
        self
    }

    /// Grants these modules alone; by itself the rig grants every one.
    pub fn granting(mut self, modules: &[&str]) -> Self {
        self.grants = Grants::Only(modules.iter().map(|module| (*module).to_owned()).collect());
        self
    }

    /// Runs a launcher of the tests' own, which lies beside Cofferdam's programs.
    pub fn launched_by(mut self, program: &str) -> Self {
        self.launcher = binary(program);
        self
    }

    /// Leaves out of the config what a rootless launcher needs it to allow.
    pub fn without_waivers(mut self) -> Self {
        self.waivers = Waivers::None;
        self
    }

    /// Lets the cgroup be missing, and names none that a rootless launcher could divide.
    pub fn without_cgroup(mut self) -> Self {
        self.waivers = Waivers::Cgroup;
        self
    }

    /// Lets no module write files without a quota.
    pub fn with_quotas(mut self) -> Self {
        self.quotas = Quotas::Wanted;
        self
    }

    /// Leaves one of the layers that this kernel lacks out of the config's waivers.
    pub fn without_waiver_of(mut self, layer: &str) -> Self {
        self.unwaived = Some(layer.to_owned());
        self
    }

    /// Adds lines to the config.
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write_config(&self) {
        let path = self.folder.path().join("cofferdam.toml");
        let sandbox = self.sandbox();
        let node =
            if self.config.contains("[node") { "" } else { "[node.embedded]\nblock_interval_ms = 200\n" };
        let stop = if self.config.contains("[shutdown") { "" } else { "[shutdown]\ngrace_ms = 1000\n" };
        let unsigned = if self.config.contains("[signatures") { String::new() } else { self.unsigned() };
        let text = format!("state_dir = \"state\"\n{}\n{unsigned}{sandbox}{node}{stop}", self.config);
        fs::write(&path, text).unwrap();
    }

    /// Every module that is installed may run unsigned; the tests of signatures say otherwise.
    fn unsigned(&self) -> String {
        let folders = fs::read_dir(self.folder.path().join("modules")).unwrap();
        let names: Vec<String> =
            folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        format!("[signatures]\nunsigned = {names:?}\n")
    }

    /// What of the confinement the config lets be missing. A rootless launcher has no cgroup but a delegated one.
    fn sandbox(&self) -> String {
        let mut missing = missing_here();
        // A temporary folder lies on no file system with quotas, but where a test has mounted one.
        if self.quotas == Quotas::None && self.writes_files() {
            missing.push("disk_quota".to_owned());
        }
        missing.retain(|layer| self.unwaived.as_ref() != Some(layer));
        let mut root = String::new();
        match (self.waivers, delegated_cgroup()) {
            _ if self.who == As::Root => (),
            (Waivers::None, _) => (),
            (Waivers::AsNeeded, Some(cgroup)) => root = format!("cgroup_root = {cgroup:?}\n"),
            (Waivers::AsNeeded, None) | (Waivers::Cgroup, _) => missing.push("cgroup".to_owned()),
        }
        if missing.is_empty() && root.is_empty() {
            return String::new();
        }
        format!("[sandbox]\nallow_missing = {missing:?}\n{root}")
    }

    /// Whether a module that is installed may write files.
    fn writes_files(&self) -> bool {
        let folders = fs::read_dir(self.folder.path().join("modules")).unwrap();
        let manifests = folders.map(|entry| fs::read_to_string(entry.unwrap().path().join("module.toml")));
        manifests.flatten().any(|manifest| manifest.contains("\"write_filesystem\""))
    }

    /// Starts it.
    pub fn start(self) -> Rig {
        let config = self.finish();
        launch(Some(self.folder), config, self.who, self.launcher)
    }

    /// Puts everything in its place and starts nothing: the folder, which goes when it is dropped, and the config.
    pub fn lay_out(self) -> (tempfile::TempDir, PathBuf) {
        let config = self.finish();
        (self.folder, config)
    }

    /// Starts it as an operator does: by `cofferdam run`.
    pub fn run(self) -> Rig {
        let config = self.finish();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command.arg("run");
        launch_by(command, Some(self.folder), config, self.who)
    }

    /// Starts it from a shell that has done `first`, as a careless parent might.
    pub fn start_after(self, first: &str) -> Rig {
        let config = self.finish();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(&self.launcher);
        launch_by(command, Some(self.folder), config, self.who)
    }

    /// Writes what is still to be written; gives the config's path.
    fn finish(&self) -> PathBuf {
        self.write_config();
        let config = self.folder.path().join("cofferdam.toml");
        match &self.grants {
            Grants::All => grant(&config, &[]),
            Grants::Only(modules) if modules.is_empty() => {}
            Grants::Only(modules) => grant(&config, modules),
        }
        if self.who == As::User && is_root() {
            chown_all(self.folder.path());
        }
        config
    }
}

/// Grants these modules, or all where none is named. Where that is not possible (a test of a broken config) the launcher says so as well.
fn grant(config: &Path, modules: &[String]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    let output = command.args(["grant", "--yes", "--config"]).arg(config).args(modules).output().unwrap();
    if !output.status.success() {
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

fn chown_all(path: &Path) {
    std::os::unix::fs::lchown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| chown_all(&entry.unwrap().path()));
    }
}
