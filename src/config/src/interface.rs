//! `[interface]`: JSON-RPC and metrics over HTTP, for the operator's own tools.

use crate::source::{address_to_listen_on, path};
use cofferdam_document::{DocumentError, Source, Spanned};
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where it listens unless set. Not a port of the Bitcoin network.
const DEFAULT_PORT: u16 = 8350;

/// JSON-RPC methods that modules offer, and the metrics of all of them, over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `enabled`: whether there is one. `false` unless set.
    pub enabled: bool,
    /// `listen`: the address it listens on; `127.0.0.1:8350` unless set. Port 0 has the kernel choose one.
    pub listen: SocketAddr,
    /// `token_file`: a file whose one line is taken as a bearer token, besides the cookie.
    pub token_file: Option<PathBuf>,
}

impl Default for Interface {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        Self { enabled: false, listen, token_file: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    enabled: Option<bool>,
    listen: Option<Spanned<String>>,
    token_file: Option<Spanned<String>>,
    allow_remote: Option<bool>,
}

impl Raw {
    pub(crate) fn check(self, source: Source<'_>) -> Result<Interface, DocumentError> {
        let default = Interface::default();
        let allow_remote = self.allow_remote.unwrap_or(false);
        let token_file =
            self.token_file.map(|text| path(source, "interface.token_file", &text)).transpose()?;
        let listen = self.listen.map(|text| listen(source, &text, allow_remote)).transpose()?;
        Ok(Interface {
            enabled: self.enabled.unwrap_or(default.enabled),
            listen: listen.unwrap_or(default.listen),
            token_file,
        })
    }
}

/// Credentials and answers travel unencrypted, so that another host is only listened to where somebody said so.
fn listen(
    source: Source<'_>,
    text: &Spanned<String>,
    allow_remote: bool,
) -> Result<SocketAddr, DocumentError> {
    let key = "interface.listen";
    let address = address_to_listen_on(source, key, text, text.get_ref(), "127.0.0.1:8350")?;
    if address.ip().is_loopback() || allow_remote {
        return Ok(address);
    }
    let problem = format!("{address} can be reached by other hosts, and HTTP is not encrypted");
    let fix = "listen on 127.0.0.1 behind a proxy with TLS, or set interface.allow_remote = true";
    Err(source.error(text.span(), key, problem, fix))
}
