//! Reads what is installed: the operator's config and the manifests, and derives the profile each module gets.
//!
//! The launcher enforces and `cofferdam audit` prints what this crate derives, so the two cannot differ. It
//! reads two kinds of files, `cofferdam.toml` and `module.toml`, looks at the headers of programs, and never
//! writes a file or executes one. A module whose manifest is wrong is reported and does not run; the others do. Whether a
//! module may run is decided here too, from its signature and the operator's lock file, and enforced by the launcher.

#![forbid(unsafe_code)]

mod admission;
pub mod cgroups;
mod linkage;
mod profiles;
mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_config::{Config, Sandbox};
use cofferdam_grants::{LockError, Stamped};
use cofferdam_manifest::{Manifest, ModuleName, resolve};
use cofferdam_policy::escape;
use cofferdam_signature::Hash;

pub use admission::{Admission, MAX_PROGRAM_BYTES, NotAdmitted, grant_command, program_hash};
pub use linkage::linkage;
pub use profiles::weakenings;
pub use read::{Attached, manifest_at};

/// What is installed, and which of it can run.
#[derive(Debug)]
pub struct Installation {
    /// The operator's config, every path absolute.
    pub config: Config,
    /// The hash of the text that was parsed as the config.
    pub config_hash: Hash,
    /// The operator's grants, and which state of the lock file says them.
    pub grants: Stamped,
    /// The config as the operator named it, for commands that are proposed.
    pub named: PathBuf,
    /// The modules that can run, by name, if they are granted.
    pub modules: BTreeMap<ModuleName, Installed>,
    /// Their names in start order: dependencies first.
    pub order: Vec<ModuleName>,
    /// What keeps others from running, and what the operator should know, one sentence each.
    pub problems: Vec<Problem>,
}

/// A module that can run.
#[derive(Debug)]
pub struct Installed {
    /// Its manifest.
    pub manifest: Manifest,
    /// The hash of the bytes that were parsed as its manifest.
    pub manifest_hash: Hash,
    /// Its signature, if it came with one.
    pub signature: Attached,
    /// Its folder.
    pub directory: PathBuf,
}

/// Something the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A module does not run because of this.
    Refused(String),
    /// A module runs, or a setting has no effect.
    Note(String),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It names files and folders as a module's author has named them: none of it may move a cursor or forge a line.
        match self {
            Self::Refused(text) => write!(f, "not started: {}", escape(text)),
            Self::Note(text) => write!(f, "note: {}", escape(text)),
        }
    }
}

/// Why nothing can run.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// A file or folder that cannot be read.
    #[error("{doing} {}: {cause}; {fix}", path.display())]
    Read {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        cause: String,
        /// What to do.
        fix: &'static str,
    },
    /// The config is wrong.
    #[error(transparent)]
    Config(Box<cofferdam_config::DocumentError>),
    /// Two of the config's directories overlap.
    #[error("{}: {overlap}", path.display())]
    Overlap {
        /// The config.
        path: PathBuf,
        /// Which two, and why they must not.
        overlap: Box<cofferdam_config::OverlappingDirs>,
    },
    /// The lock file cannot be read or is wrong.
    #[error("{0}; until it can be read nothing starts, and nothing is granted")]
    Grants(Box<LockError>),
}

impl Installation {
    /// Reads the config at `path` and every manifest below its `modules_dir`.
    ///
    /// # Errors
    /// When the config is wrong or the folder of modules cannot be read.
    pub fn read(path: &Path) -> Result<Self, InstallationError> {
        let fix = "write one, or pass its path with --config";
        let text = read::text(path, read::Links::Followed, "read the config", fix)?;
        let shown = path.to_string_lossy();
        let config =
            Config::parse(&shown, &text).map_err(|error| InstallationError::Config(Box::new(error)))?;
        let base = read::parent(path)?;
        let config = config.resolve_paths(&base).map_err(|overlap| InstallationError::Overlap {
            path: path.to_owned(),
            overlap: Box::new(overlap),
        })?;
        let grants = cofferdam_grants::read(&config.grants_file, Some(path))
            .map_err(|error| InstallationError::Grants(Box::new(error)))?;
        let config_hash = Hash::of(text.as_bytes());
        Self::assemble(config, config_hash, grants, path.to_owned())
    }

    /// A config without modules.
    #[must_use]
    pub fn without_modules(config: Config) -> Self {
        Self {
            config,
            config_hash: Hash::of(b""),
            grants: Stamped::default(),
            named: PathBuf::new(),
            modules: BTreeMap::new(),
            order: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn assemble(
        config: Config,
        config_hash: Hash,
        grants: Stamped,
        named: PathBuf,
    ) -> Result<Self, InstallationError> {
        let mut problems = Vec::new();
        let mut found = if config.modules.enabled {
            read::modules(&config.modules.modules_dir, limit(), &mut problems)?
        } else {
            Vec::new()
        };
        let wanted = &config.modules.enabled_modules;
        found.retain(|installed| wanted.is_empty() || wanted.contains(installed.manifest.name()));
        let manifests: Vec<Manifest> = found.iter().map(|installed| installed.manifest.clone()).collect();
        let resolution = resolve(&manifests);
        problems.extend(resolution.refused.values().map(|refusal| Problem::Refused(refusal.to_string())));
        problems.extend(resolution.notes.iter().map(|note| Problem::Note(note.to_string())));
        let modules: BTreeMap<_, _> = found
            .into_iter()
            .filter(|installed| !resolution.refused.contains_key(installed.manifest.name()))
            .map(|installed| (installed.manifest.name().clone(), installed))
            .collect();
        problems.extend(profiles::idle_settings(&config, &modules));
        Ok(Self { config, config_hash, grants, named, modules, order: resolution.order, problems })
    }
}

/// How many modules are read at most: as many as there are blocks of uids, less the core's.
fn limit() -> usize {
    usize::try_from(Sandbox::MAX_MODULES - 1).unwrap_or(usize::MAX).min(MAX_MODULES)
}

/// The launcher's own bound; more folders than this in `modules_dir` are an error of the operator's.
pub const MAX_MODULES: usize = 128;
