//! Parses the operator's `cofferdam.toml` into a [`Config`], and documents every key of it.
//!
//! The operator is trusted, but makes mistakes: a misspelt key must not leave a default in force unseen,
//! so whatever is not known is an error that says what was meant. This crate is pure: it opens none of the
//! files the config names, and does not know the directory it lies in; see [`Config::resolve_paths`].

#![forbid(unsafe_code)]

mod dirs;
mod interface;
mod limits;
mod modules;
mod node;
mod parse;
mod sandbox;
mod shutdown;
mod signatures;
mod source;

pub use cofferdam_document::DocumentError;
pub use dirs::OverlappingDirs;
pub use interface::Interface;
pub use limits::LimitOverrides;
pub use modules::{Modules, Restart};
pub use node::{Backend, Bitcoind, Chain, Embedded, RpcAuth};
pub use parse::Config;
pub use sandbox::{CgroupRoot, Layer, Sandbox};
pub use shutdown::Shutdown;
pub use signatures::Signatures;

/// A `cofferdam.toml` with every key, its default and its meaning: what an operator starts from.
pub const REFERENCE: &str = include_str!("../reference.toml");
