//! `cofferdam run`: checks what the operator would want to know first, then becomes the launcher.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow};
use cofferdam_installation::Installation;

use crate::answer::Answer;

/// Returns only if the launcher cannot be started: on success this process is the launcher.
pub(crate) fn launch(config: &Path) -> anyhow::Result<Answer> {
    Installation::read(config)?;
    let launcher = beside()?;
    let refused = Command::new(&launcher).arg("--config").arg(config).exec();
    Err(anyhow!("{}: {refused}; cofferdam and cofferdam-launcher belong in one folder", launcher.display()))
}

/// The launcher lies beside this program, wherever links to it may lie.
pub(crate) fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the own program (is /proc mounted?)")?;
    Ok(own.with_file_name("cofferdam-launcher"))
}
