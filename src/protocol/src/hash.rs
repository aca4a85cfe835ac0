//! Block hashes, transaction ids and outpoints, as 32 bytes on the wire.
//!
//! The `bitcoin` crate's own hashes put a length of eight bytes before the 32 when they are serialised for a
//! binary format; these do not, and convert to and from them. Nothing here computes a hash.

use std::fmt;
use std::str::FromStr;

use bitcoin::hashes::Hash;
use serde::{Deserialize, Serialize};

macro_rules! hash_newtype {
    ($(#[$meta:meta])* $Name:ident, $Bitcoin:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Name([u8; 32]);

        impl $Name {
            /// Takes the bytes in the order in which they are hashed, the reverse of how they are written.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes in the order in which they are hashed, the reverse of how they are written.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl From<$Bitcoin> for $Name {
            fn from(hash: $Bitcoin) -> Self {
                Self(hash.to_byte_array())
            }
        }

        impl From<$Name> for $Bitcoin {
            fn from(hash: $Name) -> Self {
                <$Bitcoin>::from_byte_array(hash.0)
            }
        }

        impl FromStr for $Name {
            type Err = bitcoin::hex::HexToArrayError;

            /// Reads 64 hexadecimal digits, in the reversed order in which Bitcoin software writes hashes.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<$Bitcoin>().map(Self::from)
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&<$Bitcoin>::from(*self), out)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }
    };
}

hash_newtype! {
    /// The hash of a block's header. `Display` and `FromStr` use the order of Bitcoin software (reversed).
    BlockHash, bitcoin::BlockHash
}

hash_newtype! {
    /// The id of a transaction (without its witness). `Display` and `FromStr` use the reversed order.
    Txid, bitcoin::Txid
}

/// One output of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutPoint {
    /// The transaction that made the output.
    pub txid: Txid,
    /// The index of the output in that transaction.
    pub vout: u32,
}

impl From<bitcoin::OutPoint> for OutPoint {
    fn from(outpoint: bitcoin::OutPoint) -> Self {
        Self { txid: outpoint.txid.into(), vout: outpoint.vout }
    }
}

impl From<OutPoint> for bitcoin::OutPoint {
    fn from(outpoint: OutPoint) -> Self {
        Self { txid: outpoint.txid.into(), vout: outpoint.vout }
    }
}

impl fmt::Display for OutPoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.txid, self.vout)
    }
}
