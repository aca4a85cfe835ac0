//! From the text of a `cofferdam.toml` to a [`Config`].

use crate::dirs::{Dirs, OverlappingDirs};
use crate::source::path;
use crate::{Backend, Bitcoind, Interface, Modules, RpcAuth, Sandbox, Shutdown, Signatures};
use crate::{interface, modules, node, sandbox, shutdown, signatures};
use cofferdam_document::{DocumentError, Source, Spanned};
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Everything an operator can set. Every key has a default but those of `[node.bitcoind]`, so the empty file
/// is a valid one and means [`Config::default`].
///
/// One that came from [`Config::parse`] holds only values in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `state_dir`: where the core keeps its state and the development chain. `data/cofferdam` unless set.
    pub state_dir: PathBuf,
    /// `grants_file`: the lock file with the operator's grants. `grants.lock` unless set.
    pub grants_file: PathBuf,
    /// `[signatures]`.
    pub signatures: Signatures,
    /// `[modules]`.
    pub modules: Modules,
    /// `[node]`.
    pub node: Backend,
    /// `node.redact_peers`: whether modules are not told the addresses of the node's peers. `false` unless set.
    pub redact_peers: bool,
    /// `[interface]`.
    pub interface: Interface,
    /// `[sandbox]`.
    pub sandbox: Sandbox,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("data/cofferdam"),
            grants_file: PathBuf::from("grants.lock"),
            signatures: Signatures::default(),
            modules: Modules::default(),
            node: Backend::default(),
            redact_peers: false,
            interface: Interface::default(),
            sandbox: Sandbox::default(),
            shutdown: Shutdown::default(),
        }
    }
}

impl Config {
    /// Parses the text of a `cofferdam.toml`. `file` is only a name, for the message.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, column and key, and what to write instead.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let source = Source { file, text };
        let raw: Raw = source.read()?;
        let places = raw.dirs();
        let grants_file = raw.grants_file.map(|file| path(source, "grants_file", &file)).transpose()?;
        let state_dir = raw.state_dir.map(|dir| path(source, "state_dir", &dir)).transpose()?;
        let config = Self {
            state_dir: state_dir.unwrap_or_else(|| Self::default().state_dir),
            grants_file: grants_file.unwrap_or_else(|| Self::default().grants_file),
            signatures: raw.signatures.check(source)?,
            modules: raw.modules.check(source)?,
            redact_peers: raw.node.redact_peers.unwrap_or(false),
            node: raw.node.check(source)?,
            interface: raw.interface.check(source)?,
            sandbox: raw.sandbox.check(source)?,
            shutdown: raw.shutdown.check(source)?,
        };
        config.dirs().check().map_err(|overlap| {
            source.error(places, overlap.key, overlap.to_string(), "give them directories of their own")
        })?;
        Ok(config)
    }

    /// Makes every path absolute that is relative to `base`, the directory the config lies in.
    ///
    /// # Errors
    /// Two directories that must be apart, and are not; see [`OverlappingDirs`]. Parsing finds this too,
    /// but cannot compare a relative path with an absolute one.
    pub fn resolve_paths(mut self, base: &Path) -> Result<Self, OverlappingDirs> {
        let resolve = |path: &mut PathBuf| *path = base.join(&*path);
        resolve(&mut self.state_dir);
        resolve(&mut self.grants_file);
        resolve(&mut self.modules.modules_dir);
        resolve(&mut self.modules.data_dir);
        if let Backend::Bitcoind(Bitcoind { auth, .. }) = &mut self.node {
            match auth {
                RpcAuth::Cookie(file) | RpcAuth::Password { password_file: file, .. } => resolve(file),
            }
        }
        self.interface.token_file.iter_mut().for_each(resolve);
        self.dirs().check()?;
        Ok(self)
    }

    fn dirs(&self) -> Dirs<'_> {
        Dirs {
            state: &self.state_dir,
            modules: &self.modules.modules_dir,
            data: &self.modules.data_dir,
            grants: &self.grants_file,
        }
    }
}

/// A `cofferdam.toml` as it is written, before its values are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    state_dir: Option<Spanned<String>>,
    grants_file: Option<Spanned<String>>,
    #[serde(default)]
    signatures: signatures::Raw,
    #[serde(default)]
    modules: modules::Raw,
    #[serde(default)]
    node: node::Raw,
    #[serde(default)]
    interface: interface::Raw,
    #[serde(default)]
    sandbox: sandbox::Raw,
    #[serde(default)]
    shutdown: shutdown::Raw,
}

impl Raw {
    /// Where the last of the paths is set: with it they began to overlap.
    fn dirs(&self) -> Range<usize> {
        let set = [&self.state_dir, &self.modules.modules_dir, &self.modules.data_dir, &self.grants_file];
        set.into_iter().flatten().map(Spanned::span).max_by_key(|span| span.start).unwrap_or(0..0)
    }
}

#[cfg(test)]
mod tests;
