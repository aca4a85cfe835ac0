//! Whether a state directory that was there already is the launcher's alone. It changes nothing: what others could write
//! in was perhaps written by them, and that is for the operator to look at.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::error::{Error, file};

/// Permissions by which others than its owner could put another log in the place of the audit log, or a link in the
/// place of a file that the launcher writes.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// It must belong to root, to who runs the launcher or to the owner of `config`, and nobody else may write in it.
///
/// # Errors
/// How it is exposed, and what to do.
pub(crate) fn refuse_exposed(state_dir: &Path, config: &Path) -> Result<(), Error> {
    let shown = state_dir.display();
    let metadata = fs::metadata(state_dir).map_err(file("look at", state_dir, "check its permissions"))?;
    let exposed = |problem: String, fix: String| {
        Err(Error::Document(format!(
            "the state_dir {shown}: {problem}; look at what is in it, then: {fix} {shown}"
        )))
    };
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        let mode = metadata.mode() & 0o7777;
        let problem = format!("others than its owner may write in it (mode {mode:03o})");
        return exposed(problem, "chmod go-w".to_owned());
    }
    let own = geteuid().as_raw();
    let operators = fs::metadata(config).ok().map(|metadata| metadata.uid());
    if ![Some(0), Some(own), operators].contains(&Some(metadata.uid())) {
        let problem =
            format!("it belongs to uid {}, neither you, root nor the config's owner", metadata.uid());
        return exposed(problem, format!("chown {own}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn a_state_directory_in_which_others_may_write_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cofferdam.toml");
        let with = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            refuse_exposed(folder.path(), &config).map_err(|error| error.to_string())
        };
        for mode in [0o700, 0o711, 0o755] {
            assert_eq!(with(mode), Ok(()), "the control");
        }
        for mode in [0o775, 0o757, 0o777, 0o1777] {
            let refused = with(mode).unwrap_err();
            assert!(refused.contains("may write in it") && refused.contains("chmod go-w"), "{refused}");
        }
    }

    #[test]
    fn a_state_directory_of_somebody_else_is_refused_unless_the_config_is_theirs_too() {
        if !geteuid().is_root() {
            println!("SKIPPED: only root gives a directory away");
            assert_ne!(std::env::var("REQUIRE_KERNEL").as_deref(), Ok("1"), "not run as root");
            return;
        }
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = elsewhere.path().join("cofferdam.toml");
        fs::write(&config, "").unwrap();
        assert!(refuse_exposed(folder.path(), &config).is_ok(), "the control");
        chown(folder.path(), Some(4242), None).unwrap();
        let refused = refuse_exposed(folder.path(), &config).unwrap_err().to_string();
        assert!(refused.contains("belongs to uid 4242"), "{refused}");
        chown(&config, Some(4242), None).unwrap();
        assert!(refuse_exposed(folder.path(), &config).is_ok());
    }
}
