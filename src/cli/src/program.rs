//! Looks at the program of an installed module without running it.

use std::fs::{self, File};
use std::path::Path;

use cofferdam_installation::{Installed, linkage};
use cofferdam_policy::profile::Linkage;

/// How a module's program is linked.
///
/// # Errors
/// Why the launcher would refuse it, with the file and the remedy.
pub(crate) fn of_module(installed: &Installed) -> Result<Linkage, String> {
    let entry_point = Path::new(installed.manifest.entry_point().as_str());
    let path = installed.directory.join(entry_point);
    refuse_links(&installed.directory, entry_point)?;
    at(&path)
}

/// How the program in this file is linked.
///
/// # Errors
/// As [`of_module`].
pub(crate) fn at(path: &Path) -> Result<Linkage, String> {
    let shown = path.display();
    let metadata = fs::metadata(path)
        .map_err(|error| format!("{shown}: {error}; build the module and put its program there"))?;
    if !metadata.is_file() {
        return Err(format!("{shown}: is not a regular file; entry_point names the module's program"));
    }
    let file = File::open(path)
        .map_err(|error| format!("{shown}: {error}; the launcher must be able to read it"))?;
    linkage(&file).map_err(|problem| {
        format!("{shown}: {problem}; build the module for this machine; scripts need a compiled program")
    })
}

/// The launcher opens an entry point through no symbolic link.
fn refuse_links(directory: &Path, entry_point: &Path) -> Result<(), String> {
    let mut path = directory.to_owned();
    for part in entry_point {
        path.push(part);
        if path.is_symlink() {
            return Err(format!(
                "{}: is a symbolic link, which an entry point must not go through; copy the file",
                path.display()
            ));
        }
    }
    Ok(())
}
