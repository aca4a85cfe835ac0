//! `[sandbox]`: what of the confinement may be missing, and which of the host's uids it uses.

use crate::source::path;
use cofferdam_document::{DocumentError, Source, Spanned, closest, quote};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// A part of the confinement that some kernels or hosts cannot give.
///
/// What is not in this list every supported kernel has, and nothing makes it optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// `cgroup`: limits of memory, processor time and tasks. Missing where no controller is delegated.
    Cgroup,
    /// `landlock`: the second wall around files, behind the mounts. Missing before Linux 5.13.
    Landlock,
    /// `landlock_network`: the second wall before TCP, behind the network namespace. Before Linux 6.7.
    LandlockNetwork,
    /// `landlock_scope`: the second wall before signals and abstract sockets. Before Linux 6.12.
    LandlockScope,
    /// `disk_quota`: limits of what a module that may write files can fill. Missing on file systems without project
    /// quotas, and where Cofferdam is run by an ordinary user.
    DiskQuota,
    /// `memory_deny_write_execute`: no memory both written and executed. Before Linux 6.3.
    MemoryDenyWriteExecute,
}

impl Layer {
    /// Every layer that can be allowed to be missing.
    pub const ALL: &[Self] = &[
        Self::Cgroup,
        Self::Landlock,
        Self::LandlockNetwork,
        Self::LandlockScope,
        Self::DiskQuota,
        Self::MemoryDenyWriteExecute,
    ];

    /// The name in `allow_missing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Landlock => "landlock",
            Self::LandlockNetwork => "landlock_network",
            Self::LandlockScope => "landlock_scope",
            Self::DiskQuota => "disk_quota",
            Self::MemoryDenyWriteExecute => "memory_deny_write_execute",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl std::str::FromStr for Layer {
    type Err = UnknownLayer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|layer| layer.as_str() == text)
            .ok_or_else(|| UnknownLayer(text.to_owned()))
    }
}

/// A text that names no [`Layer`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.problem(), self.fix())]
pub struct UnknownLayer(String);

impl UnknownLayer {
    fn problem(&self) -> String {
        format!("{} is not a layer that may be missing", quote(&self.0))
    }

    fn fix(&self) -> String {
        let known: Vec<&'static str> = Layer::ALL.iter().map(|layer| layer.as_str()).collect();
        match closest(&self.0, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("these may: {}", known.join(", ")),
        }
    }
}

/// What of the confinement may be missing, and which of the host's uids it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// `allow_missing`: the layers without which modules may run all the same. None unless named: a layer
    /// that is missing and not named here stops the launch. Every audit page and `status` shows them.
    pub allow_missing: BTreeSet<Layer>,
    /// `uid_base`: the first host uid for modules where Cofferdam runs as root; see
    /// [`Sandbox::UIDS_PER_MODULE`].
    pub uid_base: u32,
    /// `cgroup_root`: the cgroup below which modules get theirs.
    pub cgroup_root: CgroupRoot,
}

impl Sandbox {
    /// The default of `uid_base`. systemd's table of uids (its UIDS-GIDS document) leaves 1879048192 to
    /// 2147352576 to nobody: no user, no container and no service of the host lies there.
    pub const DEFAULT_UID_BASE: u32 = 1_879_048_192;

    /// How many uids each module gets: one block as large as every container manager gives, so that a uid
    /// of one module is never a uid of another.
    pub const UIDS_PER_MODULE: u32 = 65_536;

    /// How many blocks must fit above `uid_base`.
    pub const MAX_MODULES: u32 = 1024;

    /// Below this lie the host's own users.
    const MIN_UID_BASE: u32 = 65_536;

    /// From 2^31 on, programs that keep a uid in a signed number go wrong; and the last is "no uid".
    const MAX_UID_BASE: u32 = 0x8000_0000 - Self::UIDS_PER_MODULE * Self::MAX_MODULES;
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            allow_missing: BTreeSet::new(),
            uid_base: Self::DEFAULT_UID_BASE,
            cgroup_root: CgroupRoot::Auto,
        }
    }
}

/// The cgroup below which modules get theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CgroupRoot {
    /// `"auto"`: the launcher's own cgroup if it may divide it, or what the service manager delegated.
    #[default]
    Auto,
    /// A directory in a cgroup file system, absolute.
    Path(PathBuf),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    #[serde(default)]
    allow_missing: Vec<Spanned<String>>,
    uid_base: Option<Spanned<u32>>,
    cgroup_root: Option<Spanned<String>>,
}

impl Raw {
    pub(crate) fn check(self, source: Source<'_>) -> Result<Sandbox, DocumentError> {
        let default = Sandbox::default();
        Ok(Sandbox {
            allow_missing: allow_missing(source, &self.allow_missing)?,
            uid_base: self.uid_base.map_or(Ok(default.uid_base), |uid| uid_base(source, &uid))?,
            cgroup_root: self
                .cgroup_root
                .map_or(Ok(default.cgroup_root), |root| cgroup_root(source, &root))?,
        })
    }
}

fn allow_missing(source: Source<'_>, listed: &[Spanned<String>]) -> Result<BTreeSet<Layer>, DocumentError> {
    let key = "sandbox.allow_missing";
    let mut layers = BTreeSet::new();
    for text in listed {
        let refused = |error: UnknownLayer| source.error(text.span(), key, error.problem(), error.fix());
        if !layers.insert(text.get_ref().parse().map_err(refused)?) {
            let problem = format!("{} is listed twice", quote(text.get_ref()));
            return Err(source.error(text.span(), key, problem, "list it once"));
        }
    }
    Ok(layers)
}

fn uid_base(source: Source<'_>, uid: &Spanned<u32>) -> Result<u32, DocumentError> {
    let why = "the host's users lie below 65536, and 1024 modules with 65536 uids each must fit below 2^31";
    source.in_range("sandbox.uid_base", uid, Sandbox::MIN_UID_BASE..=Sandbox::MAX_UID_BASE, why)
}

fn cgroup_root(source: Source<'_>, text: &Spanned<String>) -> Result<CgroupRoot, DocumentError> {
    if text.get_ref() == "auto" {
        return Ok(CgroupRoot::Auto);
    }
    let key = "sandbox.cgroup_root";
    let root = path(source, key, text)?;
    let leaves = root.components().any(|part| part == std::path::Component::ParentDir);
    if root.is_absolute() && !leaves {
        return Ok(CgroupRoot::Path(root));
    }
    let problem = format!("{} is not an absolute path without `..`", quote(text.get_ref()));
    Err(source.error(text.span(), key, problem, "write `auto`, or a path like /sys/fs/cgroup/cofferdam"))
}
