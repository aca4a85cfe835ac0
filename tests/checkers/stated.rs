//! `stated.toml`: what is expected of each checker, each with the reason where it is not plain success.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stated {
    pub(crate) calls: Calls,
    pub(crate) stressors: Stressors,
    pub(crate) selftests: Selftests,
}

/// System calls, as stress-ng names them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calls {
    /// Names that stress-ng has for the kernel's.
    pub(crate) is: BTreeMap<String, String>,
    /// What the page does not list and stress-ng nevertheless counts as done, with the reason.
    pub(crate) hollow: BTreeMap<String, String>,
    /// What the page allows and stress-ng does not get done, with the reason.
    pub(crate) undone: BTreeMap<String, String>,
}

/// Stressors of stress-ng.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stressors {
    /// Live of what the page allows.
    pub(crate) work: Vec<String>,
    /// Live of what it does not allow.
    pub(crate) refused: Vec<String>,
    /// Live of what it does not allow, and take a refusal for a success; with what they are refused.
    pub(crate) hollow: BTreeMap<String, String>,
    /// Make a call that kills; which.
    pub(crate) kill: BTreeMap<String, String>,
}

/// The kernel's own tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selftests {
    /// The programs of each kernel, by how its release begins.
    pub(crate) programs: BTreeMap<String, BTreeSet<String>>,
    /// Tests that do not pass in a guest.
    pub(crate) failure: Vec<Failure>,
}

/// Tests that do not pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failure {
    pub(crate) program: String,
    /// How their names begin.
    pub(crate) tests: Vec<String>,
    /// Kernels, by how their releases begin; if none is named, all.
    #[serde(default)]
    pub(crate) kernels: Vec<String>,
    pub(crate) why: String,
}

/// Reads it.
pub(crate) fn stated() -> Stated {
    toml::from_str(include_str!("stated.toml")).unwrap()
}

/// The kernel's release.
pub(crate) fn release() -> String {
    nix::sys::utsname::uname().unwrap().release().to_str().unwrap().to_owned()
}
