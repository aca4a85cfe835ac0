//! What ends the module. Everything else is logged or answered.

use cofferdam_sdk::SdkError;

/// Why invoices cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// The host or the connection to it.
    #[error(transparent)]
    Host(#[from] SdkError),
    /// A setting.
    #[error("configuration key {key}: {value:?} is not a number from 1 to 3600")]
    Setting { key: &'static str, value: String },
    /// An invoice on disk.
    #[error("invoice {id} cannot be read: {problem}; have the operator restore this module's database")]
    Invoice { id: String, problem: String },
}
