//! `[node]`: the node whose data modules see.

use crate::source::{address, path};
use cofferdam_document::{DocumentError, Source, Spanned, quote};
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The most the two intervals may be: an hour. A longer pause is indistinguishable from a hang.
const MAX_INTERVAL_MS: u64 = 3_600_000;

/// A tenth of a second: polling faster costs the node more than it tells.
const MIN_POLL_INTERVAL_MS: u64 = 100;

/// The longest user name, in bytes.
const MAX_USER_BYTES: usize = 256;

/// `backend`: which node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `"embedded"`, the default: a development chain inside the core. Not Bitcoin.
    Embedded(Embedded),
    /// `"bitcoind"`: Bitcoin Core or a compatible node.
    Bitcoind(Bitcoind),
}

impl Default for Backend {
    fn default() -> Self {
        Self::Embedded(Embedded::default())
    }
}

/// `[node.embedded]`: the development chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// `block_interval_ms`: the pause between blocks, up to an hour; 5 seconds unless set. `None`, written
    /// 0, mines on demand only.
    pub block_interval: Option<Duration>,
}

impl Default for Embedded {
    fn default() -> Self {
        Self { block_interval: Some(Duration::from_secs(5)) }
    }
}

/// `[node.bitcoind]`: how to reach the node, and which chain to expect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitcoind {
    /// `rpc`: the address of JSON-RPC. An IP address, because the confined core has no resolver.
    pub rpc: SocketAddr,
    /// `cookie_file`, or `rpc_user` and `rpc_password_file`.
    pub auth: RpcAuth,
    /// `zmq`: the address the node publishes `sequence` on. Polling only where it is absent.
    pub zmq: Option<SocketAddr>,
    /// `chain`: the chain the operator expects. A node on another is refused.
    pub chain: Chain,
    /// `poll_interval_ms`: how often to ask for news without ZMQ. From 100 ms to an hour; 1 second unless set.
    pub poll_interval: Duration,
}

/// How the core proves to the node who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcAuth {
    /// `cookie_file`: the file the node writes at every start.
    Cookie(PathBuf),
    /// `rpc_user` and `rpc_password_file`: a user of the node's `rpcauth`. The password is never in this
    /// file, so that it can be shown.
    Password {
        /// The user's name.
        user: String,
        /// The file with the password.
        password_file: PathBuf,
    },
}

/// A chain, by the name that `getblockchaininfo` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// `main`: Bitcoin.
    Main,
    /// `test`: the third test network.
    Test,
    /// `testnet4`: the fourth test network.
    Testnet4,
    /// `signet`: the signed test network.
    Signet,
    /// `regtest`: a private chain that mines on demand.
    Regtest,
}

impl Chain {
    /// The name in the config and in `getblockchaininfo`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Test => "test",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    backend: Option<Spanned<RawBackend>>,
    pub(crate) redact_peers: Option<bool>,
    embedded: Option<RawEmbedded>,
    bitcoind: Option<Spanned<RawBitcoind>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawBackend {
    Embedded,
    Bitcoind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEmbedded {
    block_interval_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBitcoind {
    rpc: Spanned<String>,
    cookie_file: Option<Spanned<String>>,
    rpc_user: Option<Spanned<String>>,
    rpc_password_file: Option<Spanned<String>>,
    zmq: Option<Spanned<String>>,
    chain: Chain,
    poll_interval_ms: Option<Spanned<u64>>,
}

impl Raw {
    /// Both sections are checked, whichever is used: a mistake must not wait for the day it is.
    pub(crate) fn check(self, source: Source<'_>) -> Result<Backend, DocumentError> {
        let embedded =
            self.embedded.map_or_else(|| Ok(Embedded::default()), |embedded| embedded.check(source))?;
        let table = self.bitcoind.as_ref().map(Spanned::span);
        let bitcoind = self
            .bitcoind
            .map(|table| {
                let span = table.span();
                table.into_inner().check(source, span)
            })
            .transpose()?;
        match (self.backend, bitcoind, table) {
            (None, Some(_), Some(table)) => {
                let problem =
                    "the table is here and no backend is chosen, so the development chain would run";
                let fix = "add `backend = \"bitcoind\"` or `backend = \"embedded\"` to [node]";
                Err(source.error(table, "node.bitcoind", problem, fix))
            }
            (Some(backend), bitcoind, _) => match (backend.get_ref(), bitcoind) {
                (RawBackend::Embedded, _) => Ok(Backend::Embedded(embedded)),
                (RawBackend::Bitcoind, Some(bitcoind)) => Ok(Backend::Bitcoind(bitcoind)),
                (RawBackend::Bitcoind, None) => {
                    let problem = "the table [node.bitcoind] is missing";
                    let fix = "add it with rpc, chain and cookie_file";
                    Err(source.error(backend.span(), "node.backend", problem, fix))
                }
            },
            (None, _, _) => Ok(Backend::Embedded(embedded)),
        }
    }
}

impl RawEmbedded {
    fn check(self, source: Source<'_>) -> Result<Embedded, DocumentError> {
        let Some(interval_ms) = self.block_interval_ms else { return Ok(Embedded::default()) };
        let why = "0 mines on demand only, and an hour is the longest pause";
        let key = "node.embedded.block_interval_ms";
        let interval_ms = source.in_range(key, &interval_ms, 0..=MAX_INTERVAL_MS, why)?;
        Ok(Embedded { block_interval: (interval_ms > 0).then(|| Duration::from_millis(interval_ms)) })
    }
}

impl RawBitcoind {
    fn check(self, source: Source<'_>, table: Range<usize>) -> Result<Bitcoind, DocumentError> {
        let rpc = address(source, "node.bitcoind.rpc", &self.rpc, self.rpc.get_ref(), "127.0.0.1:8332")?;
        let zmq = self.zmq.as_ref().map(|zmq| zmq_address(source, zmq)).transpose()?;
        let poll_interval = self.poll_interval_ms.as_ref().map_or(Ok(1000), |interval_ms| {
            let why =
                "asking more often than every 100 ms burdens the node, and an hour is the longest pause";
            let range = MIN_POLL_INTERVAL_MS..=MAX_INTERVAL_MS;
            source.in_range("node.bitcoind.poll_interval_ms", interval_ms, range, why)
        })?;
        Ok(Bitcoind {
            rpc,
            zmq,
            chain: self.chain,
            poll_interval: Duration::from_millis(poll_interval),
            auth: self.auth(source, table)?,
        })
    }

    fn auth(&self, source: Source<'_>, table: Range<usize>) -> Result<RpcAuth, DocumentError> {
        let fix = "set cookie_file, or rpc_user and rpc_password_file";
        let refused =
            |span: Range<usize>, key: &str, problem: &str| Err(source.error(span, key, problem, fix));
        match (&self.cookie_file, &self.rpc_user, &self.rpc_password_file) {
            (Some(cookie), None, None) => {
                Ok(RpcAuth::Cookie(path(source, "node.bitcoind.cookie_file", cookie)?))
            }
            (None, Some(user), Some(file)) => Ok(RpcAuth::Password {
                user: user_name(source, user)?,
                password_file: path(source, "node.bitcoind.rpc_password_file", file)?,
            }),
            (None, None, None) => {
                refused(table, "node.bitcoind", "nothing says how to authenticate to the node")
            }
            (Some(_), Some(other), _) => {
                refused(other.span(), "node.bitcoind.rpc_user", "cookie_file is set as well")
            }
            (Some(_), None, Some(other)) => {
                refused(other.span(), "node.bitcoind.rpc_password_file", "cookie_file is set as well")
            }
            (None, Some(user), None) => {
                refused(user.span(), "node.bitcoind.rpc_user", "rpc_password_file is missing")
            }
            (None, None, Some(file)) => {
                refused(file.span(), "node.bitcoind.rpc_password_file", "rpc_user is missing")
            }
        }
    }
}

fn zmq_address(source: Source<'_>, zmq: &Spanned<String>) -> Result<SocketAddr, DocumentError> {
    let key = "node.bitcoind.zmq";
    let (text, example) = (zmq.get_ref(), "tcp://127.0.0.1:28332");
    if let Some(tcp) = text.strip_prefix("tcp://") {
        return address(source, key, zmq, tcp, example);
    }
    let problem = if text.starts_with("ipc://") {
        format!(
            "{} is a socket file, and the confined core has no access to the node's directory",
            quote(text)
        )
    } else {
        format!("{} is not a tcp:// address", quote(text))
    };
    Err(source.error(zmq.span(), key, problem, format!("write it like {example}, or remove it to poll")))
}

/// A name that HTTP basic authentication can carry: it ends at the first colon.
fn user_name(source: Source<'_>, user: &Spanned<String>) -> Result<String, DocumentError> {
    let name = user.get_ref();
    let printable = !name.is_empty() && name.chars().all(|letter| letter != ':' && !letter.is_control());
    if printable && name.len() <= MAX_USER_BYTES {
        return Ok(name.clone());
    }
    let problem = format!("{} cannot be the name of a user", quote(name));
    let fix = "use 1 to 256 bytes without `:` and without control characters";
    Err(source.error(user.span(), "node.bitcoind.rpc_user", problem, fix))
}
