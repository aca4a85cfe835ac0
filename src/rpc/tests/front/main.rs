//! The front as clients see it: real ones, and hostile ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod clients;
mod curl;
mod hostile;
mod rig;
