//! The operator's grants: as what each module may run, and what it may do. One lock file holds them.
//!
//! A grant is an upper bound. It never starts anything, adds nothing that a manifest does not ask for, and says nothing
//! about who made a module: that is the signature's part. A lock file that cannot be read in full is an error and never
//! an empty one; one that is not there grants nothing.

#![forbid(unsafe_code)]

mod changes;
mod file;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cofferdam_manifest::{CapabilitySet, EventName, Manifest, ModuleName, Version};
use cofferdam_signature::Hash;

pub use changes::Change;
pub use file::{Editor, LockError, Stamp, Stamped, read};

/// All grants of an installation, by module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The grants.
    pub modules: BTreeMap<ModuleName, Grant>,
}

/// What the operator allowed one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The version when it was granted; it decides nothing.
    pub version: Version,
    /// The hash of the manifest when it was granted. Another manifest may ask for as much, or for less.
    pub manifest: Hash,
    /// The hash of the only program that may run.
    pub program: Hash,
    /// What it may do at most.
    pub capabilities: CapabilitySet,
    /// What it asked for once and was not allowed. To ask for it again is nothing new.
    pub withheld: CapabilitySet,
    /// The event types that it may publish at most.
    pub publish_events: BTreeSet<EventName>,
    /// The event types that it asked for once and was not allowed.
    pub withheld_events: BTreeSet<EventName>,
    /// The key that had signed it; it decides nothing.
    pub signed_by: Option<String>,
}

/// What a module is, and asks for, as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The version it states.
    pub version: Version,
    /// The hash of the manifest that was parsed.
    pub manifest: Hash,
    /// The hash of the program that would run.
    pub program: Hash,
    /// The capabilities it asks for.
    pub capabilities: CapabilitySet,
    /// The event types it asks to publish.
    pub publish_events: BTreeSet<EventName>,
}

impl Asked {
    /// What a manifest asks for, with this program.
    #[must_use]
    pub fn of(manifest: &Manifest, manifest_hash: Hash, program: Hash) -> Self {
        Self {
            version: manifest.version().clone(),
            manifest: manifest_hash,
            program,
            capabilities: manifest.capabilities().clone(),
            publish_events: manifest.publish_events().clone(),
        }
    }
}

/// What the operator does not allow of what is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Without {
    /// Capabilities.
    pub capabilities: CapabilitySet,
    /// Event types.
    pub events: BTreeSet<EventName>,
}

impl Grant {
    /// All that is asked for, but what is left out. That is withheld, also where it is not asked for: a module that asks
    /// for less once does not get it by asking again.
    #[must_use]
    pub fn new(asked: &Asked, without: &Without, signed_by: Option<String>) -> Self {
        Self {
            version: asked.version.clone(),
            manifest: asked.manifest,
            program: asked.program,
            capabilities: asked.capabilities.difference(&without.capabilities),
            withheld: without.capabilities.clone(),
            publish_events: asked.publish_events.difference(&without.events).cloned().collect(),
            withheld_events: without.events.clone(),
            signed_by,
        }
    }

    /// Whether a module may run: its program is the granted one, and it asks for nothing that was not decided.
    ///
    /// # Errors
    /// What was not granted.
    pub fn covers(&self, asked: &Asked) -> Result<(), Shortfall> {
        let decided: CapabilitySet = self.capabilities.iter().chain(self.withheld.iter()).collect();
        let more = asked.capabilities.difference(&decided);
        let is_new = |event: &&EventName| {
            ![&self.publish_events, &self.withheld_events].iter().any(|set| set.contains(*event))
        };
        let events: BTreeSet<EventName> = asked.publish_events.iter().filter(is_new).cloned().collect();
        let other_program = self.program != asked.program;
        if !other_program && more.is_empty() && events.is_empty() {
            return Ok(());
        }
        let programs = other_program.then_some((self.program, asked.program));
        Err(Shortfall::Changed { programs, capabilities: more, events })
    }
}

impl Lock {
    /// Whether a module may run.
    ///
    /// # Errors
    /// What was not granted.
    pub fn covers(&self, name: &ModuleName, asked: &Asked) -> Result<&Grant, Shortfall> {
        let grant = self.modules.get(name).ok_or(Shortfall::NoGrant)?;
        grant.covers(asked).map(|()| grant)
    }
}

/// What is missing for a module to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// Nothing was granted.
    NoGrant,
    /// It is not what was granted.
    Changed {
        /// The granted program and the one that is there, where they differ.
        programs: Option<(Hash, Hash)>,
        /// Capabilities that were never decided on.
        capabilities: CapabilitySet,
        /// Event types that were never decided on.
        events: BTreeSet<EventName>,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Changed { programs, capabilities, events } = self else {
            return formatter.write_str("it has no grant");
        };
        let mut and = "";
        if let Some((granted, found)) = programs {
            let (granted, found) = (granted.short(), found.short());
            write!(formatter, "its program was changed: sha256 {found}, granted was {granted}")?;
            and = "; ";
        }
        let names: Vec<String> = capabilities
            .iter()
            .map(|name| name.to_string())
            .chain(events.iter().map(ToString::to_string))
            .collect();
        if !names.is_empty() {
            write!(formatter, "{and}it asks for what was not granted: {}", names.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
