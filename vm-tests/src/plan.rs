//! What host and guest say to each other: the plan goes into the guest's memory as a file, the reports come back line
//! by line over a serial port. Plain data; it does nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the guest finds its plan.
pub(crate) const PLAN: &str = "/plan.json";

/// Where the guest finds the program that asks the kernel for its facts.
pub(crate) const FACTS: &str = "/bin/facts";

/// Where the guest finds the modules of its kernel, in the order of their names.
pub(crate) const MODULES: &str = "/modules";

/// A dynamically linked program: there is no compiler in the guest. The setting tells the tests; tests/rig/mod.rs reads it.
pub(crate) const DYNAMIC: &str = "/bin/linked-dynamically";
pub(crate) const DYNAMIC_SETTING: &str = "COFFERDAM_TEST_DYNAMIC_PROGRAM";

/// Tells the tests which cgroup their user may divide; tests/rig/mod.rs reads it.
pub(crate) const CGROUP_SETTING: &str = "COFFERDAM_TEST_CGROUP_ROOT";

/// The most of a test's output that a report carries.
pub(crate) const MAX_OUTPUT_BYTES: usize = 16 * 1024;

/// What one boot does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// One after the other.
    pub(crate) sessions: Vec<Session>,
    /// What each session runs.
    pub(crate) tests: Vec<Test>,
    /// A test that takes longer is killed.
    pub(crate) test_timeout_s: u64,
}

/// All tests under one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// As kernels.toml names it.
    pub(crate) name: SessionName,
    /// What the tests find in their environment, beside PATH and HOME.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Who runs the tests, and in which cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SessionName {
    /// Root, in the root of cgroup v2.
    Root,
    /// An ordinary user, with a subtree of cgroup v2 delegated to it.
    User,
    /// Root, with the controllers in hierarchies of cgroup v1.
    RootV1,
}

impl SessionName {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::RootV1 => "root-v1",
        }
    }

    /// Sessions with different hierarchies need a boot each: a controller is in one hierarchy only.
    pub(crate) fn hierarchy(self) -> Hierarchy {
        match self {
            Self::Root | Self::User => Hierarchy::V2,
            Self::RootV1 => Hierarchy::V1,
        }
    }
}

/// Which version of cgroups has the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hierarchy {
    V1,
    V2,
}

/// One test of one test program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Test {
    /// `package::program::name`, unique.
    pub(crate) id: String,
    /// The test program.
    pub(crate) program: PathBuf,
    /// The test's name in it.
    pub(crate) name: String,
    /// The folder that cargo runs it in.
    pub(crate) folder: PathBuf,
}

/// What the guest reports, one a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Report {
    /// Something that the kernel says of itself.
    Fact { name: String, value: String },
    /// A test has begun.
    Started { session: SessionName, test: String },
    /// A test has ended.
    Ended { session: SessionName, test: String, outcome: Outcome, seconds: f64, output: String },
    /// The guest could not go on.
    Failed { why: String },
    /// All is done; nothing follows.
    Done,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Passed,
    Failed,
    TimedOut,
    /// The guest ended before.
    NotRun,
}
