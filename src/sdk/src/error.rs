//! Everything that can go wrong between a module and its host, from the module's side.
//!
//! Each message says what the author or the operator can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cofferdam_protocol::{ApiError, Refusal};

/// Why a connection or a call did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// The socket at a path cannot be connected to.
    #[error("connect to the socket {path}: {source}", path = path.display())]
    Connect {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Descriptor 3 is not what Cofferdam leaves there.
    #[error(
        "take over the inherited socket fd:3: {problem}; this program is meant to be started by Cofferdam"
    )]
    Inherit {
        /// What is wrong with it.
        problem: String,
    },
    /// The inherited socket was taken over before: a process has one connection.
    #[error("the inherited socket fd:3 is already in use by an earlier connect; clone the NodeApi instead")]
    AlreadyConnected,
    /// The socket path starts with `fd:` but names another descriptor than 3.
    #[error("the socket path `{path}` is neither fd:3 nor the path of a socket")]
    SocketPath {
        /// What was given.
        path: String,
    },
    /// The host refused the session.
    #[error("handshake: {0}")]
    Refused(#[source] Refusal),
    /// The host did not answer the handshake in time.
    #[error("handshake: no answer within {} s", after.as_secs())]
    HandshakeTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// The connection is over; nothing more can be called.
    #[error("the connection to the host is closed: {reason}")]
    Closed {
        /// Why it ended.
        reason: String,
    },
    /// The host answered that the call failed.
    #[error("{call}: {error}")]
    Api {
        /// The call, by its wire name.
        call: &'static str,
        /// What the host answered.
        #[source]
        error: ApiError,
    },
    /// The host did not answer a call in time. Whether it was carried out is not known.
    #[error("{call}: no answer within {} ms", after.as_millis())]
    Deadline {
        /// The call, by its wire name.
        call: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The call cannot be sent.
    #[error("{call}: {problem}")]
    Unsendable {
        /// The call, by its wire name.
        call: &'static str,
        /// Why not.
        problem: String,
    },
    /// The host answered with the reply of another call: a fault of the host.
    #[error("{call}: the host sent the reply of another call")]
    WrongReply {
        /// The call, by its wire name.
        call: &'static str,
    },
}

impl SdkError {
    /// The host's answer, if the call reached it and failed there.
    ///
    /// ```
    /// # use cofferdam_sdk::{ApiError, SdkError};
    /// # let error = SdkError::Api { call: "get_block", error: ApiError::Pruned { height: Some(7) } };
    /// if let Some(ApiError::Pruned { height, .. }) = error.api() {
    ///     println!("block {height:?} is gone, going on without it");
    /// }
    /// ```
    #[must_use]
    pub const fn api(&self) -> Option<&ApiError> {
        if let Self::Api { error, .. } = self { Some(error) } else { None }
    }
}
