//! Reads a TOML document into a serde type, and turns every failure into one sentence that names the
//! file, the line, the column, the key and the fix.
//!
//! The text is hostile: it may come with a module nobody has reviewed. So its size is bounded, what a
//! message quotes from it is shortened, and nothing in a message can move a cursor or forge a line.
//! This crate never opens a file: the caller reads, and says what to call what it read.

#![forbid(unsafe_code)]

mod error;
mod quote;
mod source;
mod suggest;
mod translate;

pub use error::DocumentError;
pub use quote::{escape, quote};
pub use source::Source;
pub use suggest::closest;
pub use toml::Spanned;

use serde::de::DeserializeOwned;

/// The longest document that is read, in bytes.
///
/// A thousand modules with ten settings each fit in a tenth of this; parsing it takes milliseconds.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Reads `text` as TOML into `T`. `file` is only a name, for the message.
///
/// `T` should carry `#[serde(deny_unknown_fields)]`, so that a misspelt key is found and the key that was
/// meant is suggested. A field of type [`Spanned`] keeps its place in the text, for checks that come after.
///
/// # Errors
/// The first thing in `text` that is not TOML, not `T`, or too long.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, DocumentError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let problem = format!("the document has {} bytes, the limit is {MAX_DOCUMENT_BYTES}", text.len());
        let fix = Some("make it shorter".to_owned());
        return Err(DocumentError::at(file, text, 0..0, None, problem, fix));
    }
    toml::from_str(text).map_err(|error| translate::translate(file, text, &error))
}

#[cfg(test)]
mod tests;
