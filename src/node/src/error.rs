//! What can go wrong between the core and the node behind it.
//!
//! Every message names what was found and what the operator can do about it. "Not found" is never an
//! error here: it is `Ok(None)`, and only where the node is able to know.

use std::net::SocketAddr;
use std::path::PathBuf;

use bitcoin::BlockHash;

/// Why the node gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The node is there but cannot answer yet; the same call may succeed later.
    #[error("the node is not ready: {reason}")]
    NotReady {
        /// The node's own words, or what is being waited for.
        reason: String,
    },
    /// The block existed, and the node has deleted its body.
    #[error(
        "block {hash} is pruned on this node (run it with -prune=0, or ask a node that keeps all blocks)"
    )]
    Pruned {
        /// The block whose body is gone.
        hash: BlockHash,
    },
    /// The node lacks the index without which it cannot know the answer.
    #[error("cannot be known without the node's {index} index ({hint})")]
    IndexRequired {
        /// The name of the index, as `getindexinfo` has it.
        index: &'static str,
        /// What makes the node build it.
        hint: &'static str,
    },
    /// This backend has no source for the answer.
    #[error("{backend} cannot do this: {reason}")]
    Unsupported {
        /// The backend's label.
        backend: &'static str,
        /// What is missing.
        reason: String,
    },
    /// The node follows another chain than the one configured, or other rules.
    #[error(
        "wrong chain: expected {expected}, found {found} (correct `chain` or the endpoint in the configuration)"
    )]
    WrongChain {
        /// What the configuration asks for.
        expected: String,
        /// What the node said.
        found: String,
    },
    /// The node cannot be reached.
    #[error("node at {address}: {reason} (is it running, and is this its rpc or zmq address?)")]
    Unreachable {
        /// The endpoint that was tried.
        address: SocketAddr,
        /// What happened.
        reason: String,
    },
    /// The node does not accept the credentials, or they cannot be had.
    #[error("credentials for the node: {reason}")]
    Credentials {
        /// What is wrong with them and what mends it.
        reason: String,
    },
    /// The credentials are right, but the node's whitelist lacks the method.
    #[error("the node forbids `{method}` to this user (add it to the node's rpcwhitelist)")]
    Forbidden {
        /// The JSON-RPC method.
        method: &'static str,
    },
    /// The node answered something that cannot be true, or is no answer at all.
    #[error("the node's answer to `{request}` is not usable: {reason}")]
    Malformed {
        /// What had been asked.
        request: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The node's answer is longer than is taken of it.
    #[error(
        "the node's answer to `{method}` is longer than {limit_bytes} bytes, the most that is read of it"
    )]
    TooLarge {
        /// The JSON-RPC method.
        method: &'static str,
        /// What would have been read.
        limit_bytes: usize,
    },
    /// The node answered with an error of its own that has no other name here.
    #[error("the node refused `{method}`: {message} (code {code})")]
    Rpc {
        /// The JSON-RPC method.
        method: &'static str,
        /// The node's error code.
        code: i64,
        /// The node's message, shortened.
        message: String,
    },
    /// A transaction was not accepted.
    #[error("transaction refused: {reason}")]
    Rejected {
        /// The rule it breaks.
        reason: String,
    },
    /// What was asked cannot be asked in this way.
    #[error("{argument}: {problem}")]
    InvalidArgument {
        /// What is wrong: the name of an argument.
        argument: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The node has not seen enough to know the answer; it may have later.
    #[error("not enough data: {reason}")]
    InsufficientData {
        /// What it lacks, and what is known instead.
        reason: String,
    },
    /// The point to follow from is not on any chain the node knows, so no path leads from it.
    #[error(
        "the node does not know block {hash} at height {height}, from which events should go on \
         (was its data directory replaced?)"
    )]
    LostTrack {
        /// The last block whose event was delivered.
        hash: BlockHash,
        /// Its height.
        height: u32,
    },
    /// The embedded chain's file cannot be read, written or believed.
    #[error("{}: at byte {offset}: {reason}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Where in it; 0 where the place does not matter.
        offset: u64,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl NodeError {
    /// Whether asking again cannot help until somebody changes the configuration or the node.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::WrongChain { .. }
            | Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::IndexRequired { .. }
            | Self::Unsupported { .. }
            | Self::Storage { .. } => true,
            Self::NotReady { .. }
            | Self::Pruned { .. }
            | Self::Unreachable { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Rpc { .. }
            | Self::Rejected { .. }
            | Self::InvalidArgument { .. }
            | Self::InsufficientData { .. }
            | Self::LostTrack { .. } => false,
        }
    }

    pub(crate) fn malformed(request: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { request: request.into(), reason: reason.into() }
    }

    pub(crate) fn invalid(argument: &'static str, problem: impl ToString) -> Self {
        Self::InvalidArgument { argument, problem: problem.to_string() }
    }

    pub(crate) fn not_ready(reason: impl Into<String>) -> Self {
        Self::NotReady { reason: reason.into() }
    }
}
