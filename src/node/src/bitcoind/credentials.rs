//! How the core proves itself to the node. The confined core cannot read the node's cookie file, and the
//! cookie changes with every start of the node: so credentials are asked for anew whenever they fail.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use bitcoin::base64::Engine as _;
use bitcoin::base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::error::NodeError;

/// A cookie or a user with password is a line, not a document.
const MAX_SECRET_BYTES: usize = 1024;

/// `user:password` for the node. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The content of a node's `.cookie` file, or `user:password`.
    ///
    /// # Errors
    /// [`NodeError::Credentials`] where it is not one line of `user:password`.
    pub fn new(text: &str) -> Result<Self, NodeError> {
        let text = text.trim_end_matches(['\r', '\n']);
        let fault = match text {
            _ if text.len() > MAX_SECRET_BYTES => "longer than 1024 bytes",
            _ if text.chars().any(char::is_control) => "more than one line, or not text",
            _ if !text.contains(':') => "not of the form `user:password`",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(NodeError::Credentials { reason: format!("what was given is {fault}") })
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Result<HeaderValue, NodeError> {
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&self.0)))
            .map_err(|error| NodeError::Credentials { reason: error.to_string() })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A secret that is on its way.
pub type SecretFuture<'a> = Pin<Box<dyn Future<Output = Result<Secret, NodeError>> + Send + 'a>>;

/// Where credentials come from. Asked at the first call, and again each time the node refuses what it got.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// The credentials as they are now; never an older copy.
    fn current(&self) -> SecretFuture<'_>;
}

/// Credentials that do not change: an `rpcauth` user.
impl Credentials for Secret {
    fn current(&self) -> SecretFuture<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// The node's cookie file, for a process that may read it.
#[derive(Debug, Clone)]
pub struct CookieFile(pub PathBuf);

impl Credentials for CookieFile {
    fn current(&self) -> SecretFuture<'_> {
        Box::pin(async {
            let text = tokio::fs::read_to_string(&self.0).await.map_err(|error| NodeError::Credentials {
                reason: format!("read {}: {error} (is the node running?)", self.0.display()),
            })?;
            Secret::new(&text)
        })
    }
}
