//! Checks of single values that several sections of the config share.

use cofferdam_document::{DocumentError, Source, Spanned, quote};
use cofferdam_manifest::ValueError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest path, in bytes: PATH_MAX of Linux, with its final NUL.
const MAX_PATH_BYTES: usize = 4095;

/// Parses a value whose type knows what is wrong with it.
pub(crate) fn value<T: FromStr<Err = ValueError>>(
    source: Source<'_>,
    key: &str,
    text: &Spanned<String>,
) -> Result<T, DocumentError> {
    let refused = |error: ValueError| source.error(text.span(), key, error.problem(), error.fix());
    text.get_ref().parse().map_err(refused)
}

/// A path that the kernel would take.
pub(crate) fn path(source: Source<'_>, key: &str, text: &Spanned<String>) -> Result<PathBuf, DocumentError> {
    let value = text.get_ref();
    let problem = if value.is_empty() {
        "the path is empty"
    } else if value.len() > MAX_PATH_BYTES {
        "the path is longer than 4095 bytes"
    } else if value.chars().any(char::is_control) {
        "the path contains a control character"
    } else {
        return Ok(PathBuf::from(value));
    };
    Err(source.error(text.span(), key, problem, "write a path, relative to this file or absolute"))
}

/// An address to connect to: an IP literal and a port. `text` is the part of the value that is the address.
pub(crate) fn address(
    source: Source<'_>,
    key: &str,
    whole: &Spanned<String>,
    text: &str,
    example: &str,
) -> Result<SocketAddr, DocumentError> {
    let address = address_to_listen_on(source, key, whole, text, example)?;
    if address.port() == 0 {
        return Err(no_address(source, key, whole, example));
    }
    Ok(address)
}

/// The same; port 0 has the kernel choose one.
pub(crate) fn address_to_listen_on(
    source: Source<'_>,
    key: &str,
    whole: &Spanned<String>,
    text: &str,
    example: &str,
) -> Result<SocketAddr, DocumentError> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        let value = quote(whole.get_ref());
        let problem =
            format!("{value} is not an IP address and a port; the confined core cannot resolve names");
        return Err(source.error(whole.span(), key, problem, format!("write it like {example}")));
    };
    if address.ip().is_unspecified() {
        return Err(no_address(source, key, whole, example));
    }
    Ok(address)
}

fn no_address(source: Source<'_>, key: &str, whole: &Spanned<String>, example: &str) -> DocumentError {
    let problem = format!("{} is not an address one can connect to", quote(whole.get_ref()));
    source.error(whole.span(), key, problem, format!("write it like {example}"))
}

/// Appends a key to the names of its tables.
pub(crate) fn key(table: &str, name: &str) -> String {
    format!("{table}.{name}")
}
