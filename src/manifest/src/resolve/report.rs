//! What is told about modules that do not start, or not as their authors would like.

use crate::{ModuleName, Version, VersionConstraint};
use std::fmt;

/// How many modules of a chain are kept at its start and at its end: more explain nothing, and a chain is
/// kept for every refused module.
const CHAIN_START: usize = 8;
const CHAIN_END: usize = 4;

/// Modules, each of which needs the next: `a -> b -> c`. The middle of a long chain is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    start: Vec<ModuleName>,
    omitted: usize,
    end: Vec<ModuleName>,
}

impl Chain {
    pub(super) fn new(names: &[&ModuleName]) -> Self {
        let start = names.len().min(CHAIN_START);
        let end = names.len().saturating_sub(start).min(CHAIN_END);
        let keep = |name: &&ModuleName| (*name).clone();
        Self {
            start: names.iter().take(start).map(keep).collect(),
            omitted: names.len().saturating_sub(start).saturating_sub(end),
            end: names.iter().skip(names.len().saturating_sub(end)).map(keep).collect(),
        }
    }

    /// The modules that were kept, first to last.
    pub fn names(&self) -> impl Iterator<Item = &ModuleName> {
        self.start.iter().chain(&self.end)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arrow = "";
        for name in &self.start {
            write!(formatter, "{arrow}{name}")?;
            arrow = " -> ";
        }
        if self.omitted > 0 {
            write!(formatter, " -> ({} more)", self.omitted)?;
        }
        self.end.iter().try_for_each(|name| write!(formatter, "{arrow}{name}"))
    }
}

/// Why a module does not start, and through which modules.
///
/// `a -> b -> c: c is not installed; install it or remove it from [dependencies] of b`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// From the refused module to the one at which the reason lies.
    pub chain: Chain,
    /// The reason.
    pub why: Why,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.chain, self.why)
    }
}

/// The reason at the end of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A required module is missing.
    NotInstalled {
        /// The missing module.
        module: ModuleName,
        /// The module that requires it.
        needed_by: ModuleName,
    },
    /// A required module has another version than is asked for.
    Version {
        /// The required module.
        module: ModuleName,
        /// Its version.
        found: Version,
        /// The module that requires it.
        needed_by: ModuleName,
        /// What it asks for.
        constraint: VersionConstraint,
    },
    /// Modules need each other: the chain ends with the module at which the cycle begins.
    Cycle,
    /// Two modules have this name.
    SameName {
        /// The name.
        module: ModuleName,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { module, needed_by } => write!(
                formatter,
                "{module} is not installed; install it or remove it from [dependencies] of {needed_by}"
            ),
            Self::Version { module, found, needed_by, constraint } => write!(
                formatter,
                "{needed_by} asks for {module} {constraint} and {found} is installed; install a version that \
                 matches or change [dependencies] of {needed_by}"
            ),
            Self::Cycle => formatter
                .write_str("modules need each other; remove one of them from [dependencies] of another"),
            Self::SameName { module } => {
                write!(formatter, "more than one module has the name {module}; rename or remove all but one")
            }
        }
    }
}

/// An optional dependency that is present and yet not used, or not waited for. The module starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The optional dependency has another version than is asked for.
    Version {
        /// The module that asks.
        module: ModuleName,
        /// The optional dependency.
        dependency: ModuleName,
        /// What is asked for.
        constraint: VersionConstraint,
        /// What is installed.
        found: Version,
    },
    /// The optional dependency does not start.
    Refused {
        /// The module that asks.
        module: ModuleName,
        /// The optional dependency.
        dependency: ModuleName,
    },
    /// Waiting for the optional dependency would close a cycle.
    Cycle {
        /// The module that does not wait.
        module: ModuleName,
        /// The optional dependency it does not wait for.
        dependency: ModuleName,
        /// The cycle, from the module to itself.
        chain: Chain,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { module, dependency, constraint, found } => write!(
                formatter,
                "{module} runs without {dependency}: it asks for {constraint} and {found} is installed"
            ),
            Self::Refused { module, dependency } => {
                write!(formatter, "{module} runs without {dependency}, which does not start")
            }
            Self::Cycle { module, dependency, chain } => write!(
                formatter,
                "{module} starts without waiting for {dependency}, because that would be a cycle: {chain}"
            ),
        }
    }
}
