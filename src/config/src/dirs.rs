//! Which of the config's directories may lie in which.

use std::path::{Component, Path, PathBuf};

/// Two directories that must be apart, and are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` ({}) {relation} `{other_key}` ({}): {why}", path.display(), other.display())]
pub struct OverlappingDirs {
    /// The key to change.
    pub key: &'static str,
    /// Its directory.
    pub path: PathBuf,
    /// How the one lies to the other.
    relation: &'static str,
    /// The other key.
    pub other_key: &'static str,
    /// The other key's directory.
    pub other: PathBuf,
    /// What would follow.
    pub why: &'static str,
}

/// The directories of the config, and the file that must lie in none of them.
pub(crate) struct Dirs<'c> {
    pub(crate) state: &'c Path,
    pub(crate) modules: &'c Path,
    pub(crate) data: &'c Path,
    pub(crate) grants: &'c Path,
}

const STATE: &str = "state_dir";
const MODULES: &str = "modules.modules_dir";
const DATA: &str = "modules.data_dir";
const GRANTS: &str = "grants_file";

/// What of the state directory the core can write.
const OF_THE_CORE: &str = "core";

impl Dirs<'_> {
    /// Compares the paths as they are written; a symbolic link is seen by whoever opens the directories.
    /// A relative path is not compared with an absolute one.
    pub(crate) fn check(&self) -> Result<(), OverlappingDirs> {
        let programs = "a program that can be written is not the one that was audited";
        let state = "a module's data directory could be, or hold, the core's state";
        apart((MODULES, self.modules), (DATA, self.data), programs)?;
        apart((DATA, self.data), (MODULES, self.modules), programs)?;
        apart((MODULES, self.modules), (STATE, self.state), programs)?;
        apart((STATE, self.state), (MODULES, self.modules), programs)?;
        // The other way round is fine: the data directory in the state directory is a usual layout.
        apart((STATE, self.state), (DATA, self.data), state)?;
        let grants = "what is confined could write its own grants";
        let core = self.state.join(OF_THE_CORE);
        apart((GRANTS, self.grants), (DATA, self.data), grants)?;
        apart((GRANTS, self.grants), (STATE, &core), grants)?;
        apart((GRANTS, self.grants), (MODULES, self.modules), "whoever installs a module could grant it")
    }
}

/// Refuses the first path if it is the second or lies in it.
fn apart(
    (key, path): (&'static str, &Path),
    (other_key, other): (&'static str, &Path),
    why: &'static str,
) -> Result<(), OverlappingDirs> {
    let (inner, outer) = (normal(path), normal(other));
    if path.is_absolute() != other.is_absolute() || !inner.starts_with(&outer) {
        return Ok(());
    }
    let relation = if inner == outer { "is the same as" } else { "lies in" };
    Err(OverlappingDirs { key, path: path.to_owned(), relation, other_key, other: other.to_owned(), why })
}

/// The path without `.`, and with every `..` that follows a name taken together with it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.is_absolute() => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::Normal(_) => {
                normal.push(component);
            }
        }
    }
    normal
}
