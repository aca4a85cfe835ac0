//! Holds the rules of construction that no compiler checks: who may depend on whom, what the launcher links,
//! where `unsafe` stands, what pure crates keep their hands off, how files open and how long they are.
//!
//! It never builds or runs anything: it reads manifests and sources. Every scanner has a control beside it, a
//! bad sample that it must find, since a scanner that finds nothing looks the same as clean code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so"
)]

mod crates;
mod files;
mod launcher_dependencies;
mod purity;
mod sources;
mod unsafe_code;
