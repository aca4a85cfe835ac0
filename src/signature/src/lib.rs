//! What an author signs: the hashes of a module's manifest and of its program, in one file that minisign signs.
//!
//! `sha256sum module.toml PROGRAM > module.sum && minisign -Sm module.sum` makes both files. One signature covers both
//! hashes, so the manifest of one version and the program of another never pass together, and the files that are hashed
//! are those that the caller has in hand, not those that have the names.
//!
//! This crate is pure. It opens no file, holds no secret, makes no signature and knows no grant: an old version of a
//! module is as well signed as the new one, and it is the operator's lock file that tells them apart.

#![forbid(unsafe_code)]

mod key;
mod sums;

pub use cofferdam_hash::{Hash, NotAHash};
pub use key::{NotAKey, TrustedKey};
pub use sums::{MANIFEST_FILE, Malformed};

use minisign_verify::Signature;
use sums::Sums;

/// The file with the two hashes, in the module's folder.
pub const SUMS_FILE: &str = "module.sum";

/// The signature of [`SUMS_FILE`], as minisign names it.
pub const SIGNATURE_FILE: &str = "module.sum.minisig";

/// The longest of the two files, in bytes: two hashes with the longest names have 1300, and a trusted comment of
/// minisign has at most 8192.
pub const MAX_BYTES: usize = 16 * 1024;

/// The longest trusted comment that is shown, in characters.
const MAX_COMMENT_CHARS: usize = 200;

/// Who signed, as the signature proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The operator's name for the key.
    pub name: String,
    /// The key, as minisign writes it.
    pub key: String,
    /// What the signer said when signing, which the signature covers; shortened, and safe to print.
    pub comment: String,
}

/// The two files as they came with the module.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// The bytes of [`SUMS_FILE`].
    pub sums: &'a [u8],
    /// The bytes of [`SIGNATURE_FILE`].
    pub signature: &'a [u8],
}

/// What the two files must be about.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The hash of the manifest that was parsed.
    pub manifest: Hash,
    /// The manifest's entry point.
    pub entry_point: &'a str,
    /// The hash of the program that would be executed.
    pub program: Hash,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The signature is not one of minisign's.
    #[error("{SIGNATURE_FILE} is not a signature of minisign ({0}); sign again: minisign -Sm {SUMS_FILE}")]
    NotASignature(&'static str),
    /// None of the trusted keys has made it.
    #[error(
        "none of the keys in signatures.trusted_keys made {SIGNATURE_FILE}; get the author's key from the author, not \
         from the module, and add it"
    )]
    UnknownKey,
    /// The signature is not of this text.
    #[error(
        "{SUMS_FILE} is not what {key} signed: one of it and {SIGNATURE_FILE} was changed; get the module anew"
    )]
    Forged {
        /// The operator's name for the key.
        key: String,
    },
    /// What was signed is no list of the two hashes.
    #[error("{SUMS_FILE}: {0}; make it with: sha256sum {MANIFEST_FILE} PROGRAM > {SUMS_FILE}")]
    Sums(#[from] Malformed),
    /// What was signed is another file.
    #[error(
        "{file} is not the one that {key} signed; get the module anew, or ask its author to sign this one"
    )]
    OtherFile {
        /// Which of the two.
        file: &'static str,
        /// The operator's name for the key.
        key: String,
    },
}

/// Who signed exactly this manifest and this program.
///
/// # Errors
/// [`Unverified`]: no trusted key did.
pub fn verify(files: Files<'_>, keys: &[TrustedKey], expected: Expected<'_>) -> Result<Signer, Unverified> {
    let text = bounded(files.signature).ok_or(Unverified::NotASignature("too long, or not text"))?;
    let signature = Signature::decode(text).map_err(|_| Unverified::NotASignature("wrong form"))?;
    let key = signed_by(files.sums, &signature, keys)?;
    // Nothing of the sums was looked at until here: they are parsed when it is known who wrote them.
    let text = bounded(files.sums).ok_or(Malformed::NotText)?;
    let sums = Sums::parse(text, expected.entry_point)?;
    // The entry point's name is the module's choice: it is not repeated.
    for (file, signed, found) in
        [(MANIFEST_FILE, sums.manifest, expected.manifest), ("the program", sums.program, expected.program)]
    {
        if signed != found {
            return Err(Unverified::OtherFile { file, key: key.name().to_owned() });
        }
    }
    Ok(Signer {
        name: key.name().to_owned(),
        key: key.text().to_owned(),
        comment: printable(signature.trusted_comment()),
    })
}

/// The first of the keys that made the signature. Numbers of keys can be chosen to collide, so each is tried.
fn signed_by<'k>(
    message: &[u8],
    signature: &Signature,
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Unverified> {
    let mut forged = None;
    for key in keys {
        match key.verify(message, signature) {
            Ok(()) => return Ok(key),
            Err(minisign_verify::Error::UnexpectedAlgorithm) => {
                return Err(Unverified::NotASignature("of the old form, not prehashed: sign without -l"));
            }
            Err(minisign_verify::Error::UnexpectedKeyId) => {}
            // Those of files and of other forms do not come from bytes that were decoded; none of them is a yes.
            Err(
                minisign_verify::Error::InvalidSignature
                | minisign_verify::Error::InvalidEncoding
                | minisign_verify::Error::IoError(_)
                | minisign_verify::Error::UnsupportedAlgorithm
                | minisign_verify::Error::UnsupportedLegacyMode,
            ) => forged = Some(key.name().to_owned()),
        }
    }
    Err(forged.map_or(Unverified::UnknownKey, |key| Unverified::Forged { key }))
}

fn bounded(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > MAX_BYTES { None } else { std::str::from_utf8(bytes).ok() }
}

/// One line of letters, digits and signs of ASCII: a comment is its author's, and ends up on terminals and in logs.
fn printable(comment: &str) -> String {
    let shown = comment.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    shown.take(MAX_COMMENT_CHARS).collect()
}

#[cfg(test)]
mod tests;
