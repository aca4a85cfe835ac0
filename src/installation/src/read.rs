//! Reads the two kinds of files, bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_manifest::Manifest;
use cofferdam_signature::{Hash, SIGNATURE_FILE, SUMS_FILE};

use crate::{InstallationError, Installed, Problem};

/// The longest file that is read; a longer one is refused by the parser, which names this bound to the user.
const MAX_FILE_BYTES: u64 = 1024 * 1024 + 1;

/// Whether a file's own name may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// It is the operator's file, who may link to it.
    Followed,
    /// It came with a module, and must lie in the module's folder.
    Refused,
}

/// Reads a file that may be anything: a pipe, a device or a folder is refused, not waited for.
pub(crate) fn text(
    path: &Path,
    links: Links,
    doing: &'static str,
    fix: &'static str,
) -> Result<String, InstallationError> {
    let failed = |cause: String, fix| InstallationError::Read { doing, path: path.to_owned(), cause, fix };
    let file = open(path, links).map_err(|cause| match cause.raw_os_error() {
        Some(libc::ELOOP) => failed(cause.to_string(), "put a copy of the file itself there"),
        _ => failed(cause.to_string(), fix),
    })?;
    // Asked of what was opened, so that nothing can take its place in between.
    let metadata = file.metadata().map_err(|cause| failed(cause.to_string(), fix))?;
    if !metadata.is_file() {
        return Err(failed("is not a regular file".to_owned(), "put a text file there"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|cause| failed(cause.to_string(), fix))?;
    String::from_utf8(bytes).map_err(|_| failed("is not UTF-8".to_owned(), "save it as UTF-8"))
}

/// Opens without waiting: open(2) of a named pipe would wait for a writer, that of a terminal for its line. The
/// standard library adds `O_CLOEXEC`.
fn open(path: &Path, links: Links) -> std::io::Result<File> {
    let follow = match links {
        Links::Followed => 0,
        Links::Refused => libc::O_NOFOLLOW,
    };
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | follow).open(path)
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
        if has_manifest(&path) {
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
            Ok((manifest, manifest_hash)) => {
                let signature = Attached::beside(&directory);
                found.push(Installed { manifest, manifest_hash, signature, directory });
            }
            Err(error) => problems.push(Problem::Refused(error)),
        }
    }
    Ok(found)
}

/// Whether something is named `module.toml` there, whatever it is: what cannot be read is reported, not passed over.
fn has_manifest(folder: &Path) -> bool {
    let looked = folder.join("module.toml").symlink_metadata();
    looked.map_or_else(
        |error| ![ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()),
        |_| true,
    )
}

fn manifest(directory: &Path) -> Result<(Manifest, Hash), String> {
    let path = directory.join("module.toml");
    let (manifest, hash) = hashed_manifest(&path)?;
    // The folder's name is what the operator sees; one that lies about its module would mislead.
    if directory.file_name().and_then(|name| name.to_str()) == Some(manifest.name().as_str()) {
        return Ok((manifest, hash));
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
    hashed_manifest(path).map(|(manifest, _)| manifest)
}

/// A manifest, and the hash of exactly the bytes that were parsed.
fn hashed_manifest(path: &Path) -> Result<(Manifest, Hash), String> {
    let text = text(path, Links::Refused, "read the manifest", "check the path and its permissions")
        .map_err(|error| error.to_string())?;
    let manifest = Manifest::parse(&path.to_string_lossy(), &text).map_err(|error| error.to_string())?;
    Ok((manifest, Hash::of(text.as_bytes())))
}

/// The signature that came with a module, not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// Neither of the two files is there.
    None,
    /// Both are.
    Files {
        /// The bytes of the list of hashes.
        sums: Vec<u8>,
        /// The bytes of its signature.
        signature: Vec<u8>,
    },
    /// Something is there that cannot be read as the two files: this is never taken for none.
    Unreadable(String),
}

impl Attached {
    /// Reads the two files in a module's folder.
    pub(crate) fn beside(directory: &Path) -> Self {
        let [sums, signature] = [SUMS_FILE, SIGNATURE_FILE].map(|name| short(&directory.join(name)));
        match (sums, signature) {
            (Err(error), _) | (_, Err(error)) => Self::Unreadable(error),
            (Ok(None), Ok(None)) => Self::None,
            (Ok(Some(sums)), Ok(Some(signature))) => Self::Files { sums, signature },
            (Ok(Some(_)), Ok(None)) => {
                Self::Unreadable(format!("{SUMS_FILE} is there and {SIGNATURE_FILE} is not"))
            }
            (Ok(None), Ok(Some(_))) => {
                Self::Unreadable(format!("{SIGNATURE_FILE} is there and {SUMS_FILE} is not"))
            }
        }
    }
}

/// The bytes of a short file that came with a module; none where it is not there.
fn short(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let failed = |cause: std::io::Error| format!("read {}: {cause}", path.display());
    let file = match open(path, Links::Refused) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    // One byte more than is taken, so that the verifier sees that it is too long.
    let limit = u64::try_from(cofferdam_signature::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Installation;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    const MANIFEST: &str = "name = \"m\"\nversion = \"1.0.0\"\nentry_point = \"m\"\n";

    /// A folder of modules with the folder of one, `m`, and the path of its manifest.
    fn modules_with_one() -> (TempDir, PathBuf) {
        let modules = tempfile::tempdir().unwrap();
        fs::create_dir(modules.path().join("m")).unwrap();
        let manifest = modules.path().join("m/module.toml");
        (modules, manifest)
    }

    /// What is found there, and what is said of it.
    fn found(modules_dir: &TempDir) -> (usize, Vec<Problem>) {
        let mut problems = Vec::new();
        let found = modules(modules_dir.path(), 8, &mut problems).unwrap();
        (found.len(), problems)
    }

    fn refused(manifest: &Path, because: &str) -> Vec<Problem> {
        vec![Problem::Refused(format!("read the manifest {}: {because}", manifest.display()))]
    }

    #[test]
    fn a_manifest_is_read() {
        let (modules, manifest) = modules_with_one();
        fs::write(manifest, MANIFEST).unwrap();
        assert_eq!(found(&modules), (1, vec![]));
    }

    #[test]
    fn a_folder_without_a_manifest_and_a_file_among_the_folders_are_no_modules() {
        let (modules, _) = modules_with_one();
        fs::write(modules.path().join("README"), "").unwrap();
        assert_eq!(found(&modules), (0, vec![]));
    }

    /// Nobody ever opens the pipe for writing: a reader that waits for one never returns.
    #[test]
    fn a_named_pipe_in_place_of_a_manifest_is_refused_without_waiting() {
        let (modules, manifest) = modules_with_one();
        mkfifo(&manifest, Mode::S_IRWXU).unwrap();
        let expected = refused(&manifest, "is not a regular file; put a text file there");
        assert_eq!(found(&modules), (0, expected));
    }

    #[test]
    fn a_folder_or_a_device_in_place_of_a_manifest_is_refused() {
        let (modules, manifest) = modules_with_one();
        fs::create_dir(&manifest).unwrap();
        let expected = refused(&manifest, "is not a regular file; put a text file there");
        assert_eq!(found(&modules), (0, expected));
        let error = manifest_at(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error, "read the manifest /dev/null: is not a regular file; put a text file there");
    }

    #[test]
    fn a_manifest_that_is_a_link_is_refused_wherever_it_points() {
        let (modules, manifest) = modules_with_one();
        let elsewhere = modules.path().join("elsewhere.toml");
        symlink(&elsewhere, &manifest).unwrap();
        let because = "Too many levels of symbolic links (os error 40); put a copy of the file itself there";
        let expected = refused(&manifest, because);
        assert_eq!(found(&modules), (0, expected.clone()), "to nothing");
        fs::write(&elsewhere, MANIFEST).unwrap();
        assert_eq!(found(&modules), (0, expected), "to a manifest");
    }

    /// An archive can hold a folder of any name.
    #[test]
    fn the_name_of_a_folder_acts_on_no_terminal_and_forges_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let hostile = folder.path().join("x\u{1b}[2J\n  signed by  Alice\u{202e}");
        fs::create_dir(&hostile).unwrap();
        fs::write(hostile.join("module.toml"), MANIFEST).unwrap();
        let said = found(&folder).1.first().map(ToString::to_string).unwrap();
        assert!(
            said.contains("x\\u{1b}[2J\\n  signed by  Alice\\u{202e}/module.toml: the module is named m"),
            "{said}"
        );
        assert!(!said.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{said:?}");
    }

    /// The audit log tells under which config everything ran.
    #[test]
    fn the_hash_of_the_config_is_of_what_was_parsed_whatever_lies_there_later() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cofferdam.toml");
        let text = "[modules]\nenabled = false\n";
        fs::write(&config, text).unwrap();
        let installation = Installation::read(&config).unwrap();
        fs::write(&config, "# another").unwrap();
        assert_eq!(installation.config_hash, Hash::of(text.as_bytes()));
    }

    #[test]
    fn a_config_may_be_a_link_but_not_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let (config, link) = (folder.path().join("a.toml"), folder.path().join("cofferdam.toml"));
        symlink(&config, &link).unwrap();
        mkfifo(&config, Mode::S_IRWXU).unwrap();
        let error = Installation::read(&link).unwrap_err().to_string();
        let shown = link.display();
        assert_eq!(error, format!("read the config {shown}: is not a regular file; put a text file there"));
        fs::remove_file(&config).unwrap();
        fs::write(&config, "not a config").unwrap();
        let error = Installation::read(&link).unwrap_err();
        assert!(matches!(error, crate::InstallationError::Config(_)), "{error}");
    }
}
