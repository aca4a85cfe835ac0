//! Programs that nobody here wrote, as modules: Debian's stress-ng, and the kernel's own tests of Landlock and seccomp.
//! What they find open is compared with the audit page; the expectations are in `stated.toml`, in both directions.
//!
//! They are fetched by `vm-tests/checkers/fetch.sh` and run by `scripts/vm-test.sh --checkers`: nothing of this is skipped,
//! so nothing of this passes where they are not.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod checker;
mod kernel_log;
mod limits;
#[path = "../rig/mod.rs"]
mod rig;
mod selftests;
mod stated;
mod stress_ng;
