//! Everything that can go wrong here, each with what was being done, to whom, and what to do about it.

use std::path::PathBuf;

use nix::errno::Errno;

use crate::step::Step;

/// An error of the launcher. Its text names the step, the subject and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that cannot be had here, and that the config does not allow to be missing.
    #[error("{layer} cannot be had on this host: {why}; {remedy}")]
    LayerMissing {
        /// The layer's name in `sandbox.allow_missing`.
        layer: &'static str,
        /// What was found.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A step of the child failed before exec; nothing of the program ran.
    #[error("start {subject}: step {}: {errno} ({remedy})", step.as_str())]
    Step {
        /// Who was being started.
        subject: String,
        /// Which step.
        step: Step,
        /// The kernel's reason.
        errno: Errno,
        /// What to do.
        remedy: &'static str,
    },
    /// The namespaces of a start could not be prepared.
    #[error("start {subject}: {doing}: {cause} ({remedy})")]
    Prepare {
        /// Who was being started.
        subject: String,
        /// What was being done.
        doing: String,
        /// The reason.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The program of a module is not one that can be run.
    #[error("program {}: {problem}; {remedy}", path.display())]
    Program {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file or directory of the operator's.
    #[error("{doing} {}: {cause}{}", path.display(), hint(remedy))]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The reason.
        cause: String,
        /// What to do; may be empty.
        remedy: &'static str,
    },
    /// A cgroup could not be made, limited or removed.
    #[error("cgroup {}: {doing}: {cause}", path.display())]
    Cgroup {
        /// The cgroup's directory.
        path: PathBuf,
        /// What was being done.
        doing: String,
        /// The reason.
        cause: String,
    },
    /// The confined process is not confined as it should be. It has been killed.
    #[error(
        "start {subject}: the process is not what its profile says: {finding}; it was killed. \
             This is a defect of Cofferdam or of this kernel: please report it"
    )]
    NotConfined {
        /// Who.
        subject: String,
        /// What was found.
        finding: String,
    },
    /// A system call of the launcher itself.
    #[error("{doing}: {errno}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// The kernel's reason.
        errno: Errno,
    },
    /// The policy cannot be compiled.
    #[error("compile the system call filter")]
    Filter(#[from] crate::filter::FilterTooLong),
    /// The config or a manifest is wrong. The text names file, line, key and fix.
    #[error("{0}")]
    Document(String),
    /// A module is not signed or not granted as it is.
    #[error(transparent)]
    NotAdmitted(Box<cofferdam_installation::NotAdmitted>),
    /// A module's grant was narrowed after its profile was made.
    #[error(
        "start {module}: the operator took back a part of its grant while cofferdam runs; \
             start cofferdam again, and it starts with what it has now"
    )]
    Narrowed {
        /// The module.
        module: String,
    },
    /// The lock file cannot be read or is wrong.
    #[error("{0}; until it can be read no module starts")]
    Grants(Box<cofferdam_grants::LockError>),
    /// The audit log cannot be written. What cannot be recorded is not launched.
    #[error("{}; nothing is launched that cannot be recorded{}", .0, remedy(.0))]
    Audit(cofferdam_audit::Error),
    /// The core and the launcher do not understand each other.
    #[error("control socket: {0}")]
    Control(String),
}

impl Error {
    pub(crate) fn grants(error: cofferdam_grants::LockError) -> Self {
        Self::Grants(Box::new(error))
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// A log whose end was changed is evidence: it is put aside, not mended.
fn remedy(error: &cofferdam_audit::Error) -> &'static str {
    if matches!(error, cofferdam_audit::Error::Broken(_)) {
        ": move the folder of the log away and keep it; a new log begins with line 1"
    } else {
        ""
    }
}

fn hint(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!(" ({remedy})") }
}

/// Names what was being done when a system call of the launcher failed.
pub(crate) fn system(doing: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::System { doing, errno }
}

/// Names the file when reading or writing one failed.
pub(crate) fn file(
    doing: &'static str,
    path: impl Into<PathBuf>,
    remedy: &'static str,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |error| Error::File { doing, path, cause: error.to_string(), remedy }
}
