//! Reads JSON-RPC answers: the envelope, the node's errors, and the few types inside. Nothing in an answer is
//! believed beyond its shape; callers compare it with what they asked for.

use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::hex::FromHex;
use bitcoin::{Amount, BlockHash, Denomination};
use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::NodeError;

/// `RPC_INVALID_ADDRESS_OR_KEY`: no such block or transaction.
pub(crate) const NOT_FOUND: i64 = -5;
/// `RPC_INVALID_PARAMETER`: for `getblockhash`, a height above the tip.
pub(crate) const OUT_OF_RANGE: i64 = -8;
/// `RPC_MISC_ERROR`: among others, a body that the node does not have.
const MISC_ERROR: i64 = -1;
/// `RPC_DESERIALIZATION_ERROR`.
pub(crate) const DECODE_FAILED: i64 = -22;
/// `RPC_VERIFY_ERROR`, `RPC_VERIFY_REJECTED`, `RPC_VERIFY_ALREADY_IN_UTXO_SET`.
pub(crate) const REJECTIONS: [i64; 3] = [-25, -26, -27];
/// `RPC_IN_WARMUP`.
const IN_WARMUP: i64 = -28;
/// The node is too old, or the method is not built in.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// Characters of the node's own words that are passed on.
const MAX_QUOTED_CHARS: usize = 200;
/// A header of Bitcoin. Chains that changed it are refused.
const HEADER_BYTES: usize = 80;

/// An error object of the node.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Failure>,
    #[serde(default)]
    id: Option<u64>,
}

/// What the node did with a call.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Reply),
    Failed(Failure),
    /// The credentials are not accepted.
    Unauthorized,
}

/// An answer without error, not yet read.
#[derive(Debug)]
pub(crate) struct Reply {
    method: &'static str,
    body: Bytes,
}

impl Reply {
    /// Sorts an HTTP answer by what it means.
    pub(crate) fn sort(
        method: &'static str,
        id: u64,
        status: StatusCode,
        body: Bytes,
    ) -> Result<Outcome, NodeError> {
        match status {
            StatusCode::UNAUTHORIZED => return Ok(Outcome::Unauthorized),
            StatusCode::FORBIDDEN => return Err(NodeError::Forbidden { method }),
            StatusCode::SERVICE_UNAVAILABLE => return Err(NodeError::not_ready(quoted(&body))),
            // Errors of a call come with 200, 400, 404 or 500 and an envelope, by the node's version.
            _ => {}
        }
        let envelope: Envelope<'_> = serde_json::from_slice(&body).map_err(|error| {
            NodeError::malformed(method, format!("HTTP {status} without a JSON-RPC answer: {error}"))
        })?;
        if let Some(failure) = envelope.error {
            return Ok(Outcome::Failed(failure));
        }
        if envelope.id != Some(id) {
            return Err(NodeError::malformed(method, "it answers another request"));
        }
        if status != StatusCode::OK {
            return Err(NodeError::malformed(method, format!("HTTP {status} without an error")));
        }
        Ok(Outcome::Answered(Self { method, body }))
    }

    /// The result as `T`, which may borrow from the reply; `null` reads as an `Option`.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, NodeError> {
        let envelope: Envelope<'a> = serde_json::from_slice(&self.body).map_err(|e| self.malformed(e))?;
        let text = envelope.result.map_or("null", RawValue::get);
        serde_json::from_str(text).map_err(|error| self.malformed(error))
    }

    /// The result as what `decode` makes of its text.
    pub(crate) fn decode<T>(&self, decode: impl FnOnce(&str) -> Result<T, String>) -> Result<T, NodeError> {
        let text: &RawValue = self.read()?;
        decode(text.get()).map_err(|reason| self.malformed(reason))
    }

    /// The result as the bytes that it gives in hexadecimal.
    pub(crate) fn hex(&self) -> Result<Vec<u8>, NodeError> {
        let text: &str = self.read()?;
        Vec::from_hex(text).map_err(|error| self.malformed(error))
    }

    /// The result as the header that hashes to `hash`.
    pub(crate) fn header(&self, hash: BlockHash) -> Result<Header, NodeError> {
        let bytes = self.hex()?;
        if bytes.len() != HEADER_BYTES {
            return Err(NodeError::WrongChain {
                expected: format!("block headers of {HEADER_BYTES} bytes"),
                found: format!("a header of {} bytes for block {hash}", bytes.len()),
            });
        }
        self.header_of(&bytes, hash)
    }

    /// The result as a block's bytes, which begin with the header that hashes to `hash`.
    pub(crate) fn block(&self, hash: BlockHash) -> Result<Bytes, NodeError> {
        let bytes = self.hex()?;
        let header = bytes.get(..HEADER_BYTES).ok_or_else(|| self.malformed("the block is too short"))?;
        self.header_of(header, hash)?;
        Ok(bytes.into())
    }

    fn header_of(&self, bytes: &[u8], hash: BlockHash) -> Result<Header, NodeError> {
        let header: Header = deserialize(bytes).map_err(|error| self.malformed(error))?;
        if header.block_hash() == hash {
            return Ok(header);
        }
        Err(self.malformed(format!("asked for block {hash}, got {}", header.block_hash())))
    }

    pub(crate) fn malformed(&self, reason: impl ToString) -> NodeError {
        // The reason may repeat what the node said.
        NodeError::malformed(self.method, quoted(reason.to_string().as_bytes()))
    }
}

impl Failure {
    /// The error for a caller that has no better reading of the code.
    pub(crate) fn into_error(self, method: &'static str) -> NodeError {
        let message = quoted(self.message.as_bytes());
        match self.code {
            IN_WARMUP => NodeError::not_ready(message),
            METHOD_NOT_FOUND => NodeError::Unsupported {
                backend: super::LABEL,
                reason: format!("the node has no method `{method}` (use version 23 or later)"),
            },
            code => NodeError::Rpc { method, code, message },
        }
    }

    /// The error for a body that was asked for: a pruned block is not a missing one.
    pub(crate) fn into_block_error(self, method: &'static str, hash: BlockHash) -> NodeError {
        match (self.code, self.message.contains("pruned")) {
            (MISC_ERROR, true) => NodeError::Pruned { hash },
            // "not fully downloaded", "not found on disk": it may still come.
            (MISC_ERROR, false) => NodeError::not_ready(quoted(self.message.as_bytes())),
            _ => self.into_error(method),
        }
    }
}

/// An amount that the node writes as a decimal number of bitcoins; binary fractions would not be exact.
pub(crate) fn amount(number: &RawValue) -> Result<Amount, String> {
    let text = number.get();
    let amount = Amount::from_str_in(text, Denomination::Bitcoin)
        .map_err(|error| format!("amount {}: {error}", quoted(text.as_bytes())))?;
    if amount > Amount::MAX_MONEY {
        return Err(format!("amount {amount} is more than there can be"));
    }
    Ok(amount)
}

/// The node's own words, short and without anything that could forge a line of a log.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let text = bytes.get(..MAX_QUOTED_CHARS * 4).unwrap_or(bytes);
    String::from_utf8_lossy(text).chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
