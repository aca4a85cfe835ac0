//! What is fetched from Debian's mirror and kept: kernels, and programs that nobody here wrote. Scripts do the fetching; a
//! thing that is there already, unharmed, is not fetched again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::expectations::Kernel;

/// The folder with a kernel's image.
pub(crate) fn kernel(kernel: &Kernel) -> Result<PathBuf> {
    let folder = cache()?.join("vm-kernels").join(&kernel.suite);
    fetch("fetch-kernel.sh", &[&kernel.suite, &kernel.release], &folder)
        .with_context(|| format!("kernel {}", kernel.name))?;
    Ok(folder)
}

/// The trees of files that checkers need in a guest with this kernel.
pub(crate) fn checkers(kernel: &Kernel) -> Result<[PathBuf; 2]> {
    let cache = cache()?.join("vm-checkers");
    let (stress_ng, selftests) = (cache.join("stress-ng"), cache.join(format!("selftests-{}", kernel.suite)));
    fetch("checkers/fetch.sh", &["stress-ng"], &stress_ng)?;
    fetch("checkers/fetch.sh", &["selftests", &kernel.suite], &selftests)?;
    Ok([stress_ng, selftests].map(|folder| folder.join("root")))
}

fn cache() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match cache {
        Some(cache) => cache,
        None => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(cache.join("cofferdam"))
}

/// Runs a script of this package with these arguments and, last, the folder that it fills.
fn fetch(script: &str, arguments: &[&str], folder: &Path) -> Result<()> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
    let status = command.args(arguments).arg(folder).status();
    let status = status.with_context(|| format!("start {script}"))?;
    ensure!(status.success(), "{script}: {status}");
    Ok(())
}
