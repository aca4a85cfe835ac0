//! Parses `module.toml` into a [`Manifest`], and decides in which order modules start.
//!
//! A manifest is written by the module's author, whom nobody trusts: every value in it is bounded and
//! checked once, here, by the constructor of its type. This crate is pure. It never opens a file, and
//! whatever a manifest asks for, it grants nothing: that is for the policy and the operator.

#![forbid(unsafe_code)]

mod capability;
mod config_key;
mod entry_point;
mod error;
mod event_name;
mod name;
mod parse;
mod resolve;
mod version;

pub use capability::{Capability, CapabilitySet};
pub use cofferdam_document::DocumentError;
pub use config_key::ConfigKey;
pub use entry_point::EntryPoint;
pub use error::ValueError;
pub use event_name::EventName;
pub use name::ModuleName;
pub use parse::Manifest;
pub use resolve::{Chain, Note, Refusal, Resolution, Why, resolve};
pub use version::{Version, VersionConstraint};
