//! A key that the operator trusts.

use std::fmt;

use minisign_verify::{Error, PublicKey, Signature};

/// A public key of minisign's, under the operator's name for it. Holding one proves that it can verify; that its owner
/// is who the name says is the operator's claim.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedKey {
    name: String,
    text: String,
    key: PublicKey,
}

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key of minisign")]
pub struct NotAKey;

impl TrustedKey {
    /// Takes the second line of a `minisign.pub`: 56 characters that begin with `RW`.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn new(name: &str, text: &str) -> Result<Self, NotAKey> {
        let key = PublicKey::from_base64(text).map_err(|_| NotAKey)?;
        Ok(Self { name: name.to_owned(), text: text.to_owned(), key })
    }

    /// The operator's name for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key as minisign writes it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Only of the form that minisign has made for years: the message is hashed first.
    pub(crate) fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        self.key.verify(message, signature, false)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TrustedKey({} {})", self.name, self.text)
    }
}
