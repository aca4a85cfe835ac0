//! Derives a module's profile from its manifest, the operator's grants and the policy files.
//!
//! Pure: no file, clock, environment or randomness. The policy files are compiled in, so the page an auditor
//! reads and the profile that is enforced cannot come from different tables. It never decides on descriptors,
//! host paths or host uids: those belong to the launcher's plan.

pub mod profile;
