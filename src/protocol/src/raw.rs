//! Blocks, headers and transactions as the consensus bytes they are, witness included.
//!
//! The bytes cross the wire as one piece (a `Vec<u8>` in serde would go byte by byte, a thousand times slower)
//! and are decoded only when somebody asks. Holding one of these proves nothing about its content: the bytes
//! are whatever the sender had, until `decode` succeeds.

use bitcoin::consensus::encode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Why consensus bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("{what} does not decode: {source}")]
pub struct RawDecodeError {
    /// What was being decoded.
    pub what: &'static str,
    /// What the decoder said.
    pub source: encode::Error,
}

macro_rules! raw_newtype {
    ($(#[$meta:meta])* $Name:ident, $Decoded:ty, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Name(Bytes);

        impl $Name {
            /// Takes consensus bytes as they are; a `Vec<u8>` is not copied.
            #[must_use]
            pub fn new(bytes: impl Into<Bytes>) -> Self {
                Self(bytes.into())
            }

            /// Serialises a decoded value, with its witness where it has one.
            #[must_use]
            pub fn encode(value: &$Decoded) -> Self {
                Self(encode::serialize(value).into())
            }

            /// The consensus bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The consensus bytes, owned and shareable, without a copy.
            #[must_use]
            pub fn into_bytes(self) -> Bytes {
                self.0
            }

            /// Decodes the bytes; every byte must be used.
            ///
            /// # Errors
            /// [`RawDecodeError`] if they are not one whole value.
            pub fn decode(&self) -> Result<$Decoded, RawDecodeError> {
                encode::deserialize(&self.0).map_err(|source| RawDecodeError { what: $what, source })
            }
        }

        impl std::fmt::Debug for $Name {
            /// Names the size, never the content: a block in a log line helps nobody.
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, "{}({} bytes)", stringify!($Name), self.0.len())
            }
        }
    };
}

raw_newtype! {
    /// A whole block. Cloning shares the bytes.
    RawBlock, bitcoin::Block, "the block"
}

raw_newtype! {
    /// A block's header, 80 bytes on Bitcoin.
    RawHeader, bitcoin::block::Header, "the block header"
}

raw_newtype! {
    /// A transaction, with its witness. Cloning shares the bytes.
    RawTransaction, bitcoin::Transaction, "the transaction"
}
