//! What can go wrong beside the attempts themselves.

use std::io;
use std::path::Path;

use cofferdam_sdk::SdkError;

/// Why this program ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The connection to the core.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// Not started by the launcher.
    #[error(
        "this program attacks whatever is not confined, and runs as a module only when Cofferdam starts it \
         (--socket-path fd:3); for the harmless controls use --unconfined"
    )]
    ByHand,
    /// A name or a setting that is not right.
    #[error("{0}")]
    Setting(String),
    /// Something that this program needs from the system for itself.
    #[error("{doing}: {source}")]
    Io {
        /// What it was doing, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// An error with this file or directory.
pub(crate) fn on(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let doing = path.display().to_string();
    move |source| Error::Io { doing, source }
}

/// An error while doing this.
pub(crate) fn while_doing(doing: &str) -> impl FnOnce(io::Error) -> Error {
    let doing = doing.to_owned();
    move |source| Error::Io { doing, source }
}
