//! Reads the two kinds of files, bounded.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use cofferdam_manifest::Manifest;

use crate::{InstallationError, Installed, Problem};

/// The longest file that is read; a longer one is refused by the parser, which names this bound to the user.
const MAX_FILE_BYTES: u64 = 1024 * 1024 + 1;

pub(crate) fn text(path: &Path, doing: &'static str, fix: &'static str) -> Result<String, InstallationError> {
    let failed = |cause: std::io::Error| InstallationError::Read {
        doing,
        path: path.to_owned(),
        cause: cause.to_string(),
        fix,
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| InstallationError::Read {
        doing,
        path: path.to_owned(),
        cause: "is not UTF-8".to_owned(),
        fix: "save it as UTF-8",
    })
}

/// The absolute folder in which the config lies.
pub(crate) fn parent(path: &Path) -> Result<PathBuf, InstallationError> {
    let absolute = fs::canonicalize(path).map_err(|cause| InstallationError::Read {
        doing: "find",
        path: path.to_owned(),
        cause: cause.to_string(),
        fix: "check the path",
    })?;
    Ok(absolute.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Every folder of `modules_dir` that holds a `module.toml`, in the order of their names.
pub(crate) fn modules(
    modules_dir: &Path,
    limit: usize,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Installed>, InstallationError> {
    let failed = |cause: std::io::Error| InstallationError::Read {
        doing: "list the modules in",
        path: modules_dir.to_owned(),
        cause: cause.to_string(),
        fix: "set modules.modules_dir to the folder that holds a folder for each module",
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(modules_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join("module.toml").exists() {
            folders.push(path);
        }
    }
    folders.sort();
    if folders.len() > limit {
        let text = format!(
            "{} holds {} modules, of which {limit} run; list those you want in modules.enabled_modules",
            modules_dir.display(),
            folders.len()
        );
        problems.push(Problem::Refused(text));
        folders.truncate(limit);
    }
    let mut found = Vec::new();
    for directory in folders {
        match manifest(&directory) {
            Ok(manifest) => found.push(Installed { manifest, directory }),
            Err(error) => problems.push(Problem::Refused(error)),
        }
    }
    Ok(found)
}

fn manifest(directory: &Path) -> Result<Manifest, String> {
    let path = directory.join("module.toml");
    let manifest = manifest_at(&path)?;
    // The folder's name is what the operator sees; one that lies about its module would mislead.
    if directory.file_name().and_then(|name| name.to_str()) == Some(manifest.name().as_str()) {
        return Ok(manifest);
    }
    Err(format!(
        "{}: the module is named {}, its folder is not; give both one name",
        path.display(),
        manifest.name()
    ))
}

/// Reads one manifest, wherever it lies.
///
/// # Errors
/// What is wrong with it, in one line: the file, the line, the key and what to write instead.
pub fn manifest_at(path: &Path) -> Result<Manifest, String> {
    let text = text(path, "read the manifest", "check the path and its permissions")
        .map_err(|error| error.to_string())?;
    Manifest::parse(&path.to_string_lossy(), &text).map_err(|error| error.to_string())
}
