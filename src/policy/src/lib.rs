//! Derives a module's profile from its manifest, the operator's grants and the policy files.
//!
//! Pure: no file, clock, environment or randomness. The policy files are compiled in, so the page an auditor
//! reads and the profile that is enforced cannot come from different tables. It never decides on descriptors,
//! host paths or host uids: those belong to the launcher's plan.

#![forbid(unsafe_code)]

mod arguments;
pub mod compare;
mod constants;
mod decide;
mod derive;
pub mod page;
pub mod profile;
mod tables;

pub use cofferdam_document::{DocumentError, escape};
pub use derive::{CoreNeeds, Decisions, Grants, Overrides, derive, derive_core};
pub use profile::Profile;
pub use tables::{CapabilityNote, Sources, Tables};
